"""A chemical system by name or path, read without the checks that stop at the first fault."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from sdl.chemistry.check import check_system
from sdl.chemistry.enumerate import with_enumerated
from sdl.chemistry.sums import GibbsSum
from sdl.chemistry.system import ChemicalSystem, load_system, system_names
from sdl.core.errors import ConfigError
from sdl.core.yaml import load, parse, place_of, read_text

WHAT = "the chemical system"


class _DraftSystem(ChemicalSystem):
    """A system as its file says, not held against itself yet."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        return self


class _RawPhases(BaseModel):
    """The phases of a file before sums are resolved."""

    model_config = ConfigDict(extra="ignore")

    phases: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Draft:
    """A system under examination."""

    path: Path
    system: ChemicalSystem
    """With enumerated reactions where ``fault`` is empty."""
    sums: dict[str, GibbsSum]
    """Free energies that the file states as sums, by phase."""
    fault: str
    """Where and how the file contradicts itself; empty if it does not."""
    shipped: bool
    """Whether it is a system of the project."""


def system_path(name: str) -> tuple[Path, bool]:
    """The file of a system, and whether it ships with the project.

    Args:
        name: A name as ``ba-ti-c-o``, or the path of a user's own ``.yaml`` file.

    Raises:
        ConfigError: There is no such system.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name), False
    if name not in system_names():
        raise ConfigError(
            "there is no such chemical system",
            got=repr(name),
            allowed=", ".join(system_names()) + ", or the path of a .yaml file",
            do="correct the name",
        )
    return Path(str(resources.files("sdl.chemistry") / "data" / f"{name}.yaml")), True


def open_system(name: str) -> ChemicalSystem:
    """A checked system by name or path, with the reactions of its null space.

    Raises:
        ConfigError: There is none, or its file is wrong.
    """
    path, shipped = system_path(name)
    if shipped:
        return load_system(name)
    return with_enumerated(load(path, ChemicalSystem, WHAT))


def read_draft(name: str) -> Draft:
    """The system under a name or path as it stands.

    Raises:
        ConfigError: There is none, its file cannot be read, or it is no system file: a key is
            unknown, missing or of the wrong kind.
    """
    path, shipped = system_path(name)
    text = read_text(path, WHAT)
    system: ChemicalSystem = parse(text, _DraftSystem, str(path))
    fault = _fault(system, path)
    return Draft(
        path=path,
        system=system if fault else with_enumerated(system),
        sums=_sums(parse(text, _RawPhases, str(path))),
        fault=fault,
        shipped=shipped,
    )


def _fault(system: ChemicalSystem, path: Path) -> str:
    names = [phase.name for phase in system.phases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        return f"{path}: a phase stands twice: {', '.join(twice)}"
    try:
        check_system(system)
    except ValidationError as err:
        first = err.errors()[0]
        message = first["msg"].removeprefix("Value error, ")
        return f"{place_of(path, *first['loc'])}: {message}"
    return ""


def _sums(raw: _RawPhases) -> dict[str, GibbsSum]:
    sums: dict[str, GibbsSum] = {}
    for phase in raw.phases:
        gibbs = phase.get("gibbs")
        if isinstance(gibbs, dict) and "from" in gibbs:
            sums[str(phase.get("name"))] = GibbsSum.model_validate(gibbs)
    return sums
