"""The child process of ``PluginRun``: runs a script as ``fmzthreads run`` does, also without an exchange."""

from __future__ import annotations

import sys
from pathlib import Path

from ...errors import FmzError
from ...runner.config import merged, read_config
from ...runner.launch import Launch
from ...runner.process_host import ProcessHost

__all__ = ["main"]


def main(file: str) -> int:
    """Runs a file with the settings that come on standard input.

    Args:
        file: The script.

    Returns:
        The exit code.
    """
    try:
        options = merged({"file": Path(file)}, read_config(Path("-")))
        host = ProcessHost(options)
        host.limit()
        outcome = Launch(options, exchanges=None if options.exchanges else [], host=host).run()
    except FmzError as error:
        print(f"fmzthreads: {error}", file=sys.stderr)
        return 2
    host.leave(outcome.code)
    return outcome.code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
