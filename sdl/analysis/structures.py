"""Crystal structures of a chemical system as data: cells, sites, sources."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sdl.core.errors import ConfigError
from sdl.core.model import Frozen, SafeId, content_hash
from sdl.core.yaml import load

Length = Annotated[float, Field(gt=1, lt=100)]
Angle = Annotated[float, Field(gt=30, lt=150)]


class Cell(Frozen):
    """Lattice parameters; what symmetry fixes may be left out."""

    a: Length
    """Angstrom."""
    b: Length | None = None
    """Angstrom; equal to ``a`` if absent."""
    c: Length | None = None
    """Angstrom; equal to ``a`` if absent."""
    alpha: Angle = 90.0
    """Degrees."""
    beta: Angle = 90.0
    """Degrees."""
    gamma: Angle | None = None
    """Degrees; 120 in hexagonal and trigonal space groups, else 90, if absent."""


class Site(Frozen):
    """One crystallographically distinct atom, fully occupied."""

    element: Annotated[str, Field(pattern=r"^[A-Z][a-z]?$")]
    x: float
    """Fractional coordinate."""
    y: float
    """Fractional coordinate."""
    z: float
    """Fractional coordinate."""


class Structure(Frozen):
    """One phase or polymorph."""

    name: SafeId
    """Name of the phase in the chemical system; further polymorphs append theirs."""
    title: str
    role: Literal["fit", "extra"]
    """``fit``: in the default reference set; ``extra``: by name only."""
    polymorph_of: SafeId | None = None
    """The phase of the chemical system it is a polymorph of."""
    space_group: str
    """Hermann-Mauguin symbol; origin choice 1 where there are two."""
    cell: Cell
    texture_axis: tuple[int, int, int] | None = None
    """Normal of the plates, or axis of the needles, as (hkl): along it grains lie flat or stand up.
    Symmetry must leave this axis alone, so that every line has one angle to it."""
    sites: Annotated[tuple[Site, ...], Field(min_length=1)]
    origin: Literal["experiment", "computed", "mixed", "estimate"]
    source: str


class StructureFile(Frozen):
    """All structures of a chemical system."""

    system: SafeId
    b_iso: dict[str, Annotated[float, Field(ge=0)]]
    """Isotropic displacement parameter B by element, square angstrom."""
    mass_absorption_cm2_per_g: dict[str, Annotated[float, Field(gt=0)]]
    """Mass absorption coefficient at Cu K-alpha by element, cm2/g."""
    mass_absorption_source: str
    structures: tuple[Structure, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        names = [structure.name for structure in self.structures]
        if len(set(names)) != len(names):
            raise ValueError("two structures share a name; allowed: distinct names")
        elements = {site.element for s in self.structures for site in s.sites}
        for table in (self.b_iso, self.mass_absorption_cm2_per_g):
            missing = sorted(elements - set(table))
            if missing:
                raise ValueError(f"no value for {', '.join(missing)}; allowed: every element used")
        return self


def structures_hash(file: StructureFile) -> str:
    """Content hash of structures, the same whether an absent texture axis is written out or not."""
    value = file.model_dump(mode="json")
    for structure in value["structures"]:
        if structure["texture_axis"] is None:
            del structure["texture_axis"]
    return content_hash(value)


def data_path(file: str) -> Path:
    """Path of a data file of ``sdl.chemistry``.

    Args:
        file: Name within ``sdl/chemistry/data``.

    Raises:
        ConfigError: There is no such file.
    """
    folder = Path(str(resources.files("sdl.chemistry").joinpath("data")))
    path = folder / file
    if not path.is_file():
        raise ConfigError(
            "the chemical system has no diffraction data",
            got=file,
            allowed=", ".join(sorted(p.name for p in folder.glob("*.structures.yaml"))) or None,
            do="correct the name of the system, or add its structures",
        )
    return path


def load_structures(system: str) -> StructureFile:
    """Structures of a chemical system.

    Args:
        system: Name of the system, as ``ba-ti-c-o``.

    Raises:
        ConfigError: There are none, or their file is wrong.
    """
    path = data_path(f"{system}.structures.yaml")
    return load(path, StructureFile, "the structures file")
