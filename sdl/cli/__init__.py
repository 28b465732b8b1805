"""The command line; every verb imports what it needs when it is called."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Runs the command line.

    Returns:
        0 done, 1 failed, 2 wrong input, 3 paused or waiting for a person. An error of ours is one
        message on the error stream, never a traceback.
    """
    from sdl._layout import check_layout
    from sdl.core.errors import SdlError

    try:
        check_layout()
        from sdl.cli.verbs import app

        app()
    except SdlError as err:
        sys.stderr.write(f"sdl: {err}\n")
        return err.exit_code
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            return 3
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    return 0


_INTERRUPTED = 130
"""Typer's exit code for Ctrl-C; the journal holds all that was done, so ours is 3: paused."""
