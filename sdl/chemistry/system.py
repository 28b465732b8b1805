"""A chemical system: phases, gases, reactions and powders as data, each figure with its source."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails

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
        for i in range(len(self.reactions)):
            _check_reaction(self, i)
        _check_sources(self)
        return self


def _wrong(message: str, given: object, *place: str | int) -> ValidationError:
    """An error at one place of the file, so that the loader names its line."""
    details = InitErrorDetails(
        type="value_error", loc=place, input=given, ctx={"error": ValueError(message)}
    )
    return ValidationError.from_exception_data("ChemicalSystem", [details])


def _known(system: ChemicalSystem, name: str, *place: str | int) -> Phase:
    """A phase that the file names at ``place``."""
    for phase in system.phases:
        if phase.name == name:
            return phase
    names = ", ".join(p.name for p in system.phases)
    raise _wrong(f"there is no such phase; allowed: {names}", name, *place)


def _check_phases(system: ChemicalSystem) -> None:
    for i, phase in enumerate(system.phases):
        at = ("phases", i)
        strange = sorted(set(phase.composition) - set(system.elements))
        if strange:
            allowed = ", ".join(system.elements)
            raise _wrong(f"unknown element; allowed: {allowed}", strange, *at, "composition")
        mass = sum(ATOMIC_MASS[e] * n for e, n in phase.composition.items())
        given = phase.molar_mass_g_per_mol
        if abs(mass - given) > 2e-4 * mass:
            message = f"{phase.name} weighs {mass:.3f} g/mol by its composition"
            raise _wrong(f"{message}; allowed: within 0.02 %", given, *at, "molar_mass_g_per_mol")
        if phase.state == "solid" and phase.molar_volume_cm3_per_mol is None:
            message = f"the solid {phase.name} has no molar volume; allowed: > 0 cm3/mol"
            raise _wrong(message, None, *at)
        if phase.grows_on is not None:
            _known(system, phase.grows_on, *at, "grows_on")


def _check_cores(system: ChemicalSystem) -> None:
    phases = [core.phase for core in system.cores]
    for i, core in enumerate(system.cores):
        if core.phase in phases[:i]:
            message = "a core stands twice; allowed: one law for each phase"
            raise _wrong(message, core.phase, "cores", i, "phase")
        for key, name in (("phase", core.phase), ("layer", core.layer)):
            if _known(system, name, "cores", i, key).state != "solid":
                raise _wrong("this is a gas; allowed: solids", name, "cores", i, key)


def _check_reaction(system: ChemicalSystem, i: int) -> None:
    reaction = system.reactions[i]
    at, equation = ("reactions", i), reaction.equation
    found = {name: _known(system, name, *at, "equation") for name in equation}
    for element in system.elements:
        terms = [n * found[name].composition.get(element, 0.0) for name, n in equation.items()]
        if abs(sum(terms)) > 1e-12 * max(1.0, max(abs(t) for t in terms)):
            message = f"{reaction.name} does not balance {element}: {sum(terms):+g}; allowed: 0"
            raise _wrong(message, equation, *at, "equation")
    cores = [core.phase for core in system.cores]
    if reaction.core not in cores:
        message = f"the core has no entry in `cores`; allowed: {', '.join(cores)}"
        raise _wrong(message, reaction.core, *at, "core")
    eaten = [n for n, v in equation.items() if v < 0 and found[n].state == "solid"]
    if reaction.core not in eaten:
        message = f"{reaction.name} does not consume its core; allowed: {', '.join(eaten)}"
        raise _wrong(message, reaction.core, *at, "core")
    if len(eaten) > 2:
        raise _wrong("too many solids react; allowed: one or two", eaten, *at, "equation")
    if "default" not in reaction.kinetics:
        message = "there are no `default` kinetics; allowed: default, and others beside it"
        raise _wrong(message, list(reaction.kinetics), *at, "kinetics")
    for name in equation:
        for gas, atmosphere in system.gases.items():
            if found[name].state == "gas" and name not in atmosphere.p_bar:
                message = f"{reaction.name} needs a pressure of {name} in every gas"
                raise _wrong(message, dict(atmosphere.p_bar), "gases", gas.value, "p_bar")


def _check_sources(system: ChemicalSystem) -> None:
    known = sorted(source.key for source in system.sources)
    used: list[tuple[str, tuple[str | int, ...]]] = [(system.powder.source, ("powder", "source"))]
    if system.hazard_source:
        used.append((system.hazard_source, ("hazard_source",)))
    used += [(g.source, ("gases", n.value, "source")) for n, g in system.gases.items()]
    used += [(p.source, ("phases", i, "source")) for i, p in enumerate(system.phases)]
    for i, reaction in enumerate(system.reactions):
        for name, kinetics in reaction.kinetics.items():
            used.append((kinetics.source, ("reactions", i, "kinetics", name, "source")))
    for key, place in used:
        if key not in known:
            raise _wrong(f"unknown source; allowed: {', '.join(known)}", key, *place)


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
