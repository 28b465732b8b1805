"""Refuses to start when another distribution stands where one of our packages should.

Our six packages are plain top-level names, and public distributions use some of them:
openai-agents ships ``agents``, instrumentkit ships ``instruments``. A foreign package either stands
earlier on the path (shadowed) or was unpacked into the same folder (overwritten); both would fail
much later, with an error that says nothing of the cause.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from sdl.core.errors import NameCollisionError

PACKAGES = ("sdl", "envs", "agents", "instruments", "surrogates", "simulators")
"""Top-level packages of the distribution."""

_REMEDY = (
    "install solid-state-sdl in an environment of its own (`python3 -m venv .venv`, then "
    "`.venv/bin/pip install .`), or uninstall the other package and install this one again"
)
_OURS = "solid_state_sdl-"
# A line of RECORD (``agents/run.py,...``, ``agents.py,...``) or of top_level.txt (``agents``).
# Reading the lists takes about 10 ms for a hundred distributions; packages_distributions of
# importlib.metadata takes 400.
_OWNED = re.compile(rb"\n(" + "|".join(PACKAGES).encode() + rb")(?:/|\.py,|[\r\n])")


@cache
def check_layout() -> None:
    """Checks once per process that our six packages are the ones that Python imports.

    Raises:
        NameCollisionError: A package is shadowed, overwritten or absent.
    """
    home = Path(__file__).resolve().parent.parent
    owners = _owners(home)
    for name in PACKAGES:
        found = _found(name)
        if found != home / name:
            raise _shadowed(name, home / name, found)
        if name in owners:
            raise NameCollisionError(
                f"the package {name!r} is not ours alone",
                got=f"{found}, in which {owners[name]} has put files too",
                allowed="files of solid-state-sdl only",
                do=_REMEDY,
            )
    _warn_of_hidden(home)


def _found(name: str) -> Path | None:
    """The package folder or module file that ``import name`` takes; ``None`` for nothing."""
    try:
        spec = find_spec(name)
    except ValueError:  # a module without a spec was put into sys.modules by hand
        return None
    if spec is None or spec.origin is None:
        return None
    origin = Path(spec.origin).resolve()
    return origin.parent if origin.name == "__init__.py" else origin


def _owners(folder: Path) -> dict[str, str]:
    """Which of our names other distributions installed in ``folder`` own: name -> distribution."""
    owners: dict[str, str] = {}
    lists = [*folder.glob("*.dist-info/RECORD"), *folder.glob("*.egg-info/top_level.txt")]
    for path in sorted(lists):
        if path.parent.name.startswith(_OURS):
            continue
        for match in _OWNED.finditer(b"\n" + path.read_bytes() + b"\n"):
            distribution, _, version = path.parent.stem.partition("-")
            owners[match[1].decode()] = f"{distribution.replace('_', '-')} {version}".strip()
    return owners


def _shadowed(name: str, expected: Path, found: Path | None) -> NameCollisionError:
    owner = None if found is None else _owners(found.parent).get(name)
    place = "no such package" if found is None else str(found)
    return NameCollisionError(
        f"`import {name}` does not reach this project",
        got=place if owner is None else f"{place}, owned by {owner}",
        allowed=str(expected),
        do=_REMEDY,
    )


def _warn_of_hidden(home: Path) -> None:
    """Ours come first here, but a start from another folder may find the others first."""
    for entry in dict.fromkeys(Path(e or ".").resolve() for e in sys.path):
        hidden = [n for n in PACKAGES if (entry / n / "__init__.py").is_file()]
        if entry == home or not hidden:
            continue
        import logging

        owners = _owners(entry)
        names = ", ".join(f"{n} ({owners[n]})" if n in owners else n for n in hidden)
        logging.getLogger(__name__).warning(
            "%s also holds %s; ours come first when started here, but perhaps not elsewhere. "
            "Install solid-state-sdl in an environment of its own.",
            entry,
            names,
        )
