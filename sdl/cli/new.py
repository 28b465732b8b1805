"""``sdl new``: starting points that run at once."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from string import Template

from instruments.registry import driver_names
from sdl.core.errors import ConfigError, excerpt

LONGEST_NAME = 16
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_FILES = {
    "pyproject.toml": "pyproject.toml.txt",
    "README.md": "README.md.txt",
    "$name/__init__.py": "init.py.txt",
    "$name/protocol.py": "protocol.py.txt",
    "$name/core.py": "core.py.txt",
    "$name/driver.py": "driver.py.txt",
    "$name/simulator.py": "simulator.py.txt",
    "tests/test_contract.py": "test_contract.py.txt",
}
"""Files of the package, and their templates."""


def new_instrument(name: str, folder: Path) -> list[Path]:
    """Writes a package with a driver, a simulator and their contract tests.

    Args:
        name: Of the package, a Python identifier such as ``ball_mill``; the driver is called the
            same with hyphens.
        folder: Where the package's own folder is made.

    Returns:
        The files that were written.

    Raises:
        ConfigError: The name cannot be used, or the folder is there already: nothing was written.
    """
    driver = _checked(name).replace("_", "-")
    root = folder / name
    words = {
        "name": name,
        "driver": driver,
        "Class": "".join(part.capitalize() for part in name.split("_")),
        "Name": " ".join(name.split("_")).capitalize(),
    }
    source = resources.files("sdl.templates") / "instrument"
    texts = {
        Template(path).substitute(words): Template(
            (source / template).read_text(encoding="utf-8")
        ).substitute(words)
        for path, template in _FILES.items()
    }
    try:
        root.mkdir(parents=True)
    except OSError as err:
        raise ConfigError(
            "the folder of the new package cannot be made",
            got=f"{root}: {err.strerror}",
            allowed="a folder that is not there yet; nothing is ever overwritten",
            do="choose another name or another --out",
        ) from err
    written: list[Path] = []
    for relative, text in texts.items():
        path = root / relative
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def describe_new(files: list[Path]) -> str:
    """What was written, and what to do with it."""
    root = files[0].parent
    lines = [f"wrote {path}" for path in files]
    return "\n".join([*lines, f"next: pip install -e {root} && pytest {root}"])


def _checked(name: str) -> str:
    allowed = f"2 to {LONGEST_NAME} small letters, digits and _, as ball_mill"
    if not 2 <= len(name) <= LONGEST_NAME or _NAME.fullmatch(name) is None:
        raise _refused(name, allowed)
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise _refused(name, "a name that is no word of Python")
    if name.replace("_", "-") in driver_names():
        raise _refused(name, "a name that no driver has: " + ", ".join(driver_names()))
    if name in sys.stdlib_module_names or find_spec(name) is not None:
        raise _refused(name, "a name that no installed package has")
    return name


def _refused(name: str, allowed: str) -> ConfigError:
    return ConfigError(
        "an instrument cannot have this name",
        got=excerpt(name),
        allowed=allowed,
        do="choose another name",
    )
