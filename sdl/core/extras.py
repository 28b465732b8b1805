"""Optional packages: asked for when they are needed, with the command that installs them."""

from __future__ import annotations

from importlib.util import find_spec

from sdl.core.errors import MissingExtraError


def require_extra(extra: str, purpose: str, *packages: str) -> None:
    """Refuses to go on without the packages of an extra.

    Args:
        extra: Name of the extra in ``pyproject.toml``.
        purpose: What needs it, as ``"the virtual laboratory"``.
        *packages: Import names.

    Raises:
        MissingExtraError: With the command that installs the extra.
    """
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtraError(package, extra, purpose)
