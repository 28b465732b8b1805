"""A chemical system: phases, gases, reactions and powders as data, each figure with its source."""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from sdl.chemistry.sums import resolve_sums
from sdl.chemistry.thermo import CrossingTable, GibbsTable, Source, reaction_kj_per_mol
from sdl.core.errors import ChemistryError, ConfigError
from sdl.core.model import Frozen, SafeId
from sdl.core.recipe import Gas
from sdl.core.yaml import load


class Law(StrEnum):
    """How the conversion of a grain grows with time; the code is in ``simulators.kernel``."""

    CARTER = "carter"
    GINSTLING_BROUNSHTEIN = "ginstling_brounshtein"
    JANDER = "jander"
    CONTRACTING_VOLUME = "contracting_volume"
    JMAK = "jmak"


Positive = Annotated[float, Field(gt=0)]


class Coarsening(Frozen):
    """Grain growth in the hot solid: ``d**n - d0**n = K t``."""

    exponent: Annotated[float, Field(ge=1, le=6)]
    rate_um_n_per_h: Positive
    """K at the reference temperature, um**n/h."""
    reference_c: float
    activation_kj_per_mol: Positive
    ln_width: Annotated[float, Field(ge=0)]
    """Standard deviation of ln K."""
    source: str


class Barrier(Frozen):
    """Classical nucleation of a product: ``exp(-16 pi g**3 V**2 / (3 kT dG**2))``."""

    interface_j_per_m2: Positive
    """Effective interfacial energy g of a nucleus on its substrate."""
    width_j_per_m2: Annotated[float, Field(ge=0)]
    source: str


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
    soluble: bool = False
    """Whether washing in water takes it away."""
    coarsening: Coarsening | None = None
    gibbs: GibbsTable
    """In the file also a sum over other phases, see ``sdl.chemistry.sums``."""
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
    law: Law | None = None
    """Law as published for this reaction in this gas; the core's if absent."""
    avrami: Annotated[float, Field(ge=0.5, le=4)] | None = None
    """Exponent of the law ``jmak``; the core's if absent."""
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
    barrier: Barrier | None = None
    """Nucleation of the first product; published rate constants hold it already."""
    blocked_by: dict[str, Positive] = Field(default_factory=dict, max_length=1)
    """A phase in whose presence the rate falls: 1 / (1 + strength x its share of the moles)."""
    kinetics: dict[str, Kinetics]
    """``default`` and, where the gas changes the mechanism, variants such as ``steam``."""
    enumerated: bool = False
    """Whether the equation came from the null space and the kinetics from the prior."""
    note: str = ""


class Core(Frozen):
    """How the grains of one phase are eaten."""

    phase: str
    law: Law
    layer: str
    """What grows on the grain; gives the ratio of volumes of the law."""
    avrami: Annotated[float, Field(ge=0.5, le=4)] = 1.0
    """Exponent of the law ``jmak``."""


class Melt(Frozen):
    """A liquid that forms where all its phases meet."""

    name: SafeId
    phases: Annotated[tuple[str, ...], Field(min_length=1, max_length=2)]
    melts_c: float
    width_c: Positive
    """Temperatures over which it forms, degC."""
    speed_up: Annotated[float, Field(ge=1)]
    """Factor on the rates of reactions that consume one of the phases."""
    ln_width: Annotated[float, Field(ge=0)]
    """Standard deviation of the logarithm of the factor."""
    source: str


class Tammann(Frozen):
    """Prior kinetics of a reaction nobody measured, from the lower melting point."""

    share: Annotated[float, Field(gt=0, lt=1)]
    """Share of the melting point in K at which ``alpha`` is reached in one hour."""
    alpha: Annotated[float, Field(gt=0, lt=1)]
    activation_kj_per_mol: Positive
    activation_width_kj_per_mol: Annotated[float, Field(ge=0)]
    ln_k_width: Annotated[float, Field(ge=0)]
    law: Law
    source: str


class Enumeration(Frozen):
    """Which reactions are added by null space, and with what kinetics."""

    products: Annotated[int, Field(ge=1, le=3)]
    """Most solids that one reaction forms."""
    window_mev_per_atom: Annotated[float, Field(ge=0)]
    """Beside the most driven products of a pair, those within this are kept."""
    gases: tuple[Gas, ...] = ()
    """Gases in which driving forces are compared; all of the system if empty."""
    between_c: tuple[float, float] | None = None
    """Temperatures between which they are compared, degC; all above 427 degC if absent."""
    reference_um: Positive
    tammann: Tammann
    barrier: Barrier | None = None
    skip: tuple[tuple[str, str], ...] = ()
    """Pairs known not to react."""


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
    fastest_per_s: Positive = 0.05
    """Ceiling of every rate constant, 1/s: however hot, heat and gas have to get into the bed.
    Complete conversion then takes some ten seconds (unsourced, within a factor of ten)."""
    melts: tuple[Melt, ...] = ()
    network: Enumeration | None = None
    reactions: tuple[Reaction, ...]
    """As listed in the file; ``load_system`` adds those of the null space."""

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

    @model_validator(mode="before")
    @classmethod
    def _sums(cls, data: Any) -> Any:
        return resolve_sums(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [p.name for p in self.phases]
        if len(set(names)) != len(names):
            raise ValueError("a phase stands twice in `phases`; allowed: each name once")
        from sdl.chemistry.check import check_system  # it needs the classes of this module

        check_system(self)
        return self


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
        system = load(path, ChemicalSystem, "the chemical system")
    from sdl.chemistry.enumerate import with_enumerated  # it needs the classes of this module

    return with_enumerated(system)


@cache
def load_crossings() -> CrossingTable:
    """The free energies and zero crossings that gate V2 compares with."""
    with resources.as_file(resources.files("sdl.chemistry") / "data" / "crossings.yaml") as path:
        return load(path, CrossingTable, "the table of crossings")
