"""Every verb of the command line on one application."""

from __future__ import annotations

from sdl.cli import judging_app, lab_app
from sdl.cli.app import app

__all__ = ["app", "judging_app", "lab_app"]
