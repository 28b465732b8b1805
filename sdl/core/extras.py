"""Optional packages: asked for when they are needed, with the command that installs them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import TypeVar

from sdl.core.errors import ConfigError, MissingExtraError

T = TypeVar("T")


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


def named_class(name: str, shipped: Mapping[str, str], group: str, base: type[T]) -> type[T] | None:
    """The class of a name: of ours, or of an installed distribution; ``None`` if there is none.

    Installed distributions are trusted as code; files and peers never choose a class.

    Args:
        name: As a file gives it.
        shipped: Ours, as ``"package.module:Class"``.
        group: Entry points of other distributions.
        base: What it must be.

    Raises:
        ConfigError: A distribution names something else.
    """
    if name in shipped:
        module, _, attribute = shipped[name].partition(":")
        return getattr(import_module(module), attribute)
    for entry in entry_points(group=group, name=name):
        found = entry.load()
        if isinstance(found, type) and issubclass(found, base):
            return found
        raise ConfigError(
            f"{name} of {entry.dist and entry.dist.name} is no {base.__name__}",
            got=entry.value,
            do="correct the entry point of that distribution",
        )
    return None
