"""``python -m sdl``: the command line, after the check of the package layout."""

from __future__ import annotations

import sys

from sdl._layout import check_layout
from sdl.core.errors import NameCollisionError


def main() -> int:
    """Runs the command line; returns its exit code."""
    try:
        check_layout()
    except NameCollisionError as err:
        sys.stderr.write(f"sdl: {err}\n")
        return err.exit_code
    # Only now: with a foreign package in the way this import could fail in any manner.
    from sdl.cli import main as run

    return run() or 0


if __name__ == "__main__":
    sys.exit(main())
