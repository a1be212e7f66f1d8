"""``python -m fmzthreads.simulator``: the same as ``fmzthreads simulate``."""

from __future__ import annotations

import sys

from .command import main

__all__: list[str] = []

if __name__ == "__main__":
    sys.exit(main())
