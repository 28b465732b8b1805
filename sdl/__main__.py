"""``python -m sdl`` is ``sdl``."""

import sys

from sdl.cli import main

if __name__ == "__main__":
    sys.exit(main())
