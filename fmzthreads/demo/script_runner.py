"""Runs a script as ``python SCRIPT`` does, except that Ctrl-C prints one line; started by ``fmzthreads sandbox`` as a file.

It imports nothing of fmzthreads, so that the script alone decides what is imported, and when.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback

__all__ = ["main"]


def main(script: str, arguments: list[str]) -> int:
    """Runs the script in this process.

    Returns:
        The exit code: 0 at its end, 1 after an error, whose traceback is printed, 130 after Ctrl-C.

    Raises:
        SystemExit: The script's own.
    """
    sys.argv = [script, *arguments]
    sys.path[0] = os.path.dirname(os.path.abspath(script))  # noqa: PTH100, PTH120 (nothing else is to be imported)
    try:
        runpy.run_path(script, run_name="__main__")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:  # printed as the interpreter would, without the frames of this file
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != script:
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace or error.__traceback__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
