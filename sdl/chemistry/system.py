"""A chemical system: phases, gases, reactions and powders as data, each figure with its source."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sdl.chemistry.thermo import CrossingTable, GibbsTable, Source, reaction_kj_per_mol
from sdl.core.errors import ChemistryError, ConfigError
from sdl.core.model import Frozen, SafeId
from sdl.core.recipe import Gas
from sdl.core.yaml import load

ATOMIC_MASS = {"Ba": 137.327, "Ti": 47.867, "C": 12.011, "O": 15.999}
"""Standard atomic weights, g/mol (IUPAC 2021, abridged)."""


class Law(StrEnum):
    """How the conversion of a grain grows with time; the code is in ``simulators.kernel``."""

    CARTER = "carter"
    GINSTLING_BROUNSHTEIN = "ginstling_brounshtein"
    JANDER = "jander"
    CONTRACTING_VOLUME = "contracting_volume"


Positive = Annotated[float, Field(gt=0)]


class Phase(Frozen):
    """One phase with what is known about it."""

    name: str
    composition: dict[str, Positive]
    state: Literal["solid", "gas"]
    molar_mass_g_per_mol: Positive
    molar_volume_cm3_per_mol: Positive | None = None
    volume_source: str = ""
    melting_c: float | None = None
    """Melting point, degC; ``None`` where none is known or the phase decomposes first."""
    transition_c: float | None = None
    """A polymorph transition below melting, degC."""
    melting_source: str = ""
    grows_on: str | None = None
    """The phase on whose grains this one forms: it starts with their size."""
    hazards: tuple[str, ...] = ()
    """GHS hazard statements."""
    gibbs: GibbsTable
    gibbs_width_kj_per_mol: Annotated[float, Field(ge=0)] = 3.0
    """Standard deviation of the free energy, kJ/mol of formula units."""
    source: str
    """Source of the free energy."""
    note: str = ""


class Kinetics(Frozen):
    """Rate constant at a reference temperature and its activation energy."""

    k_per_s: Positive
    reference_c: float
    activation_kj_per_mol: Positive
    activation_width_kj_per_mol: Annotated[float, Field(ge=0)]
    ln_k_width: Annotated[float, Field(ge=0)]
    """Standard deviation of ln k at the reference temperature."""
    range_c: tuple[float, float]
    """Temperatures for which the figures are meant, degC."""
    source: str


class Reaction(Frozen):
    """One reaction: equation, the grain it eats, kinetics by kind of atmosphere."""

    name: SafeId
    equation: dict[str, float]
    """Stoichiometric numbers by phase, negative for what is consumed."""
    core: str
    """The phase whose grains shrink; its law is in ``ChemicalSystem.cores``."""
    reference_um: Positive
    """Grain diameter for which ``k`` is stated, micrometres."""
    partner_resistance: Annotated[float, Field(ge=0)] = 0.0
    """Slows the reaction by (1 + p) / (1 + p d_partner/d_core): large partners cover badly."""
    co2_half_bar: Positive | None = None
    """CO2 pressure that halves the rate beside its effect on the driving force, bar."""
    kinetics: dict[str, Kinetics]
    """``default`` and, where the gas changes the mechanism, variants such as ``steam``."""
    note: str = ""


class Core(Frozen):
    """How the grains of one phase are eaten."""

    phase: str
    law: Law
    layer: str
    """What grows on the grain; gives the ratio of volumes of the law."""


class Atmosphere(Frozen):
    """Partial pressures of a furnace gas and the kinetics that hold in it."""

    p_bar: dict[str, Positive]
    kinetics: str = "default"
    source: str


class Powder(Frozen):
    """What milling does to contact and grain size."""

    loose_share: Annotated[float, Field(ge=0, lt=1)]
    """Share of the matter without a partner after pouring powders together."""
    best_share: Annotated[float, Field(ge=0, lt=1)]
    """The same after long milling."""
    mixing_min: Positive
    """Time constant of mixing, min."""
    grinding_min: Positive
    """Time constant of comminution, min."""
    limit_um: Positive
    """Grain diameter that milling approaches, micrometres."""
    ln_width: Annotated[float, Field(ge=0)]
    """Standard deviation of the logarithm of each figure here."""
    source: str


class ChemicalSystem(Frozen):
    """Everything the simulator knows of one chemistry."""

    name: SafeId
    elements: tuple[str, ...]
    sources: tuple[Source, ...]
    hazard_source: str = ""
    gases: dict[Gas, Atmosphere]
    powder: Powder
    phases: tuple[Phase, ...]
    cores: tuple[Core, ...]
    interface: Positive
    scarcity: Positive
    reactions: tuple[Reaction, ...]

    @property
    def solids(self) -> tuple[Phase, ...]:
        """The solid phases, in file order."""
        return tuple(p for p in self.phases if p.state == "solid")

    @property
    def vapours(self) -> tuple[Phase, ...]:
        """The gaseous phases, in file order."""
        return tuple(p for p in self.phases if p.state == "gas")

    def phase(self, name: str) -> Phase:
        """A phase by name.

        Raises:
            ChemistryError: There is no such phase.
        """
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise ChemistryError(
            f"the system {self.name} has no such phase",
            got=repr(name),
            allowed=", ".join(p.name for p in self.phases),
        )

    def reaction(self, name: str) -> Reaction:
        """A reaction by name.

        Raises:
            ChemistryError: There is no such reaction.
        """
        for reaction in self.reactions:
            if reaction.name == name:
                return reaction
        raise ChemistryError(
            f"the system {self.name} has no such reaction",
            got=repr(name),
            allowed=", ".join(r.name for r in self.reactions),
        )

    def range_k(self) -> tuple[float, float]:
        """Temperatures in K at which every phase of every reaction has a free energy."""
        tables = [self.phase(p).gibbs for r in self.reactions for p in sorted(r.equation)]
        return max(t.start_k for t in tables), min(t.end_k for t in tables)

    def reaction_kj_per_mol(
        self, name: str, temperature_k: float, pressures_bar: dict[str, float] | None = None
    ) -> float:
        """Free energy of one reaction, kJ/mol; see ``thermo.reaction_kj_per_mol``."""
        tables = {phase.name: phase.gibbs for phase in self.phases}
        equation = self.reaction(name).equation
        return reaction_kj_per_mol(equation, tables, temperature_k, pressures_bar)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [p.name for p in self.phases]
        if len(set(names)) != len(names):
            raise ValueError("a phase stands twice in `phases`; allowed: each name once")
        _check_phases(self)
        _check_cores(self)
        for reaction in self.reactions:
            _check_reaction(self, reaction)
        _check_sources(self)
        return self


def _check_phases(system: ChemicalSystem) -> None:
    for phase in system.phases:
        strange = set(phase.composition) - set(system.elements)
        if strange:
            raise ValueError(f"{phase.name} holds {sorted(strange)}; allowed: {system.elements}")
        mass = sum(ATOMIC_MASS[e] * n for e, n in phase.composition.items())
        if abs(mass - phase.molar_mass_g_per_mol) > 2e-4 * mass:
            raise ValueError(
                f"{phase.name} weighs {phase.molar_mass_g_per_mol} g/mol in the file and "
                f"{mass:.3f} by its composition; allowed: within 0.02 %"
            )
        if phase.state == "solid" and phase.molar_volume_cm3_per_mol is None:
            raise ValueError(f"the solid {phase.name} has no molar volume; allowed: > 0 cm3/mol")
        if phase.grows_on is not None:
            system.phase(phase.grows_on)


def _check_cores(system: ChemicalSystem) -> None:
    phases = [core.phase for core in system.cores]
    if len(set(phases)) != len(phases):
        raise ValueError("a core stands twice in `cores`; allowed: one law for each phase")
    for core in system.cores:
        for name in (core.phase, core.layer):
            if system.phase(name).state != "solid":
                raise ValueError(f"the core or layer {name} is a gas; allowed: solids")


def _check_reaction(system: ChemicalSystem, reaction: Reaction) -> None:
    where = f"reaction {reaction.name}"
    for element in system.elements:
        terms = [
            number * system.phase(name).composition.get(element, 0.0)
            for name, number in reaction.equation.items()
        ]
        if abs(sum(terms)) > 1e-12 * max(1.0, max(abs(t) for t in terms)):
            raise ValueError(f"{where} does not balance {element}: {sum(terms):+g} atoms")
    if reaction.core not in {core.phase for core in system.cores}:
        raise ValueError(f"{where} eats {reaction.core}, which has no entry in `cores`")
    if reaction.equation.get(reaction.core, 0.0) >= 0:
        raise ValueError(f"{where} does not consume its core {reaction.core}")
    solids = {p.name for p in system.solids}
    eaten = [n for n, v in reaction.equation.items() if v < 0 and n in solids]
    if len(eaten) > 2:
        raise ValueError(f"{where} consumes {len(eaten)} solids; allowed: one or two")
    if "default" not in reaction.kinetics:
        raise ValueError(f"{where} has no `default` kinetics")
    for name in sorted(set(reaction.equation) - solids):
        for gas, atmosphere in system.gases.items():
            if name not in atmosphere.p_bar:
                raise ValueError(f"the gas {gas.value} states no pressure of {name} ({where})")


def _check_sources(system: ChemicalSystem) -> None:
    known = {source.key for source in system.sources}
    used = [system.powder.source, *(g.source for g in system.gases.values())]
    used += [p.source for p in system.phases]
    used += [k.source for r in system.reactions for k in r.kinetics.values()]
    used += [system.hazard_source] if system.hazard_source else []
    for key in used:
        if key not in known:
            raise ValueError(f"unknown source {key!r}; allowed: {', '.join(sorted(known))}")


def system_names() -> tuple[str, ...]:
    """Names of the chemical systems that ship with the project."""
    files = (Path(e.name) for e in (resources.files("sdl.chemistry") / "data").iterdir())
    return tuple(
        sorted(f.stem for f in files if f.suffix == ".yaml" and "." not in f.stem and "-" in f.stem)
    )


@cache
def load_system(name: str) -> ChemicalSystem:
    """A chemical system by name, checked: elements balance, sources exist, nothing is NaN.

    Raises:
        ConfigError: There is no such system, or its file is wrong.
    """
    if name not in system_names():
        raise ConfigError(
            "there is no such chemical system",
            got=repr(name),
            allowed=", ".join(system_names()),
            do="correct the key `system`",
        )
    with resources.as_file(resources.files("sdl.chemistry") / "data" / f"{name}.yaml") as path:
        return load(path, ChemicalSystem, "the chemical system")


@cache
def load_crossings() -> CrossingTable:
    """The free energies and zero crossings that gate V2 compares with."""
    with resources.as_file(resources.files("sdl.chemistry") / "data" / "crossings.yaml") as path:
        return load(path, CrossingTable, "the table of crossings")
