"""Reference patterns: the lines of each phase on one absolute scale, from a small data file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sdl.analysis.structures import data_path, load_structures, structures_hash
from sdl.core.errors import ChemistryError, ConfigError
from sdl.core.model import Frozen, SafeId

WAVELENGTH_ANGSTROM = (1.540598, 1.544426)
"""Cu K-alpha 1 and 2, as in the headers of the Aeris scans (IUCr values)."""

K_ALPHA_2_RATIO = 0.5
"""Intensity of K-alpha 2 over K-alpha 1."""

K_BETA_ANGSTROM = 1.39225
"""Cu K-beta, of which a filter leaves some."""

STANDARD = "Al2O3"
"""Corundum: the phase against which reference intensity ratios are stated."""


LatticeFamily = Literal["cubic", "axial", "orthorhombic", "monoclinic", "triclinic"]
"""Crystal families by their free cell parameters; ``axial``: tetragonal, trigonal, hexagonal."""


class Reference(Frozen):
    """Lines of one phase."""

    name: SafeId
    density_g_per_cm3: Annotated[float, Field(gt=0)]
    mass_absorption_cm2_per_g: Annotated[float, Field(gt=0)]
    """At Cu K-alpha, from the composition."""
    d_angstrom: Annotated[tuple[float, ...], Field(min_length=1)]
    """Spacing of each line, from the largest."""
    intensity: tuple[float, ...]
    """Multiplicity x |F|^2 x LP / (V^2 density) of each line, so that a phase of weight fraction w
    in a mixture of mass absorption mu gives lines of ``w * intensity / mu``."""
    hkl: tuple[tuple[int, int, int], ...] = ()
    """One of the reflections of each line; empty in older files."""
    cell: tuple[float, float, float, float, float, float] | None = None
    """a, b, c in angstrom and alpha, beta, gamma in degrees."""
    family: LatticeFamily = "cubic"
    """Which lengths and angles of the cell may change independently."""
    texture_axis: tuple[int, int, int] | None = None
    """Of ``Structure.texture_axis``."""

    def __hash__(self) -> int:
        return hash((self.name, self.d_angstrom, self.intensity))

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        lengths = {len(self.d_angstrom), len(self.intensity), len(self.hkl or self.d_angstrom)}
        if len(lengths) > 1:
            raise ValueError(
                "d_angstrom, intensity and hkl differ in length; allowed: one per line"
            )
        if self.hkl and self.cell is None:
            raise ValueError("hkl without cell; allowed: both or neither")
        return self


class StickFile(Frozen):
    """The data file written by ``sdl.analysis.regenerate``."""

    system: SafeId
    structures_hash: str
    """Content hash of the structures it was computed from."""
    references: tuple[Reference, ...]


@dataclass(frozen=True)
class ReferenceSet:
    """The phases a pattern is made of or fitted with, in order."""

    system: str
    references: tuple[Reference, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the phases, in order."""
        return tuple(reference.name for reference in self.references)

    def __getitem__(self, name: str) -> Reference:
        """The reference of a phase.

        Raises:
            ChemistryError: The phase has no pattern in this set.
        """
        for reference in self.references:
            if reference.name == name:
                return reference
        raise ChemistryError(
            "this phase has no reference pattern",
            got=repr(name),
            allowed=", ".join(self.names),
            do=f"add its structure to {self.system}.structures.yaml and regenerate the sticks",
        )


@lru_cache(maxsize=8)
def _load_sticks(system: str) -> tuple[StickFile, tuple[str, ...]]:
    structures = load_structures(system)
    path = data_path(f"{system}.sticks.json")
    sticks = StickFile.model_validate_json(path.read_text(encoding="utf-8"))
    if sticks.structures_hash != structures_hash(structures):
        raise ConfigError(
            "the stick patterns are older than the structures",
            got=f"hash {sticks.structures_hash[:12]}",
            allowed=f"hash {structures_hash(structures)[:12]}",
            do=f"python -m sdl.analysis.regenerate {system}",
            where=path.name,
        )
    return sticks, tuple(s.name for s in structures.structures if s.role == "fit")


def patterned(system: str) -> tuple[str, ...]:
    """Names of all phases of a system that have a pattern, those of its default set first.

    Raises:
        ConfigError: The system has no diffraction data, or they are out of date.
    """
    sticks, default = _load_sticks(system)
    return (*default, *(r.name for r in sticks.references if r.name not in default))


def load_references(system: str, phases: Sequence[str] | None = None) -> ReferenceSet:
    """Reference patterns of a chemical system.

    Args:
        system: Name of the system, as ``ba-ti-c-o``.
        phases: Which phases, in this order; the default set of the system if ``None``.

    Returns:
        The set, equal and cheap to hash for equal arguments.

    Raises:
        ConfigError: The system has no diffraction data, or they are out of date.
        ChemistryError: A phase has no pattern.
    """
    sticks, default = _load_sticks(system)
    every = ReferenceSet(system, sticks.references)
    return ReferenceSet(system, tuple(every[name] for name in (phases or default)))


def reference_intensity_ratio(references: ReferenceSet, name: str) -> float:
    """I/Ic: strongest line over that of corundum in an equal mixture by weight.

    Absorption cancels, so only the two references enter. Lines closer than 0.1 degrees 2theta are
    not merged. ``references`` must hold ``Al2O3``.
    """
    return max(references[name].intensity) / max(references[STANDARD].intensity)
