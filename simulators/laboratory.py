"""What a laboratory hides: true energies, kinetics, assays, grain sizes, thermocouples, mixing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import ConfigError
from sdl.core.material import Lot
from sdl.core.seeds import generator
from sdl.tasks.task import Hidden

Split = Literal["train", "tune", "judge"]

RANGES: dict[Split, tuple[int, int]] = {
    "train": (0, 1_000_000),
    "tune": (1_000_000, 1_100_000),
    "judge": (2_000_000, 2_100_000),
}
"""Numbers of the laboratories for training, tuning and judging; they do not overlap."""


NOMINAL_KEY = ("nominal",)
"""Key of the laboratory in which every label and every figure is true."""


@dataclass(frozen=True)
class TrueLot:
    """A bottle as it is, not as its label says."""

    assay: float
    """Mass share of the phase."""
    particle_um: float
    """Grain diameter, micrometres."""


@dataclass(frozen=True)
class Laboratory:
    """One drawn laboratory; every sample made in it shares these figures."""

    key: tuple[str | int, ...]
    """Where the draw came from."""
    phase_energy_kj_per_mol: Mapping[str, float]
    """Shift of each solid's free energy, kJ/mol of formula units."""
    ln_k: Mapping[str, float]
    """Shift of ln k at the reference temperature, by ``reaction/variant``."""
    activation_kj_per_mol: Mapping[str, float]
    """Shift of the activation energy, kJ/mol, by ``reaction/variant``."""
    lots: Mapping[str, TrueLot]
    thermocouple_c: Mapping[str, float]
    """True minus programmed temperature of each furnace, degC."""
    mixing: float
    """Factor on every milling time."""
    nucleation: float = 1.0
    """Factor on every nucleation barrier."""
    ln_melt: Mapping[str, float] = field(default_factory=dict)
    """Shift of the logarithm of what each melt speeds up."""

    def to_json(self) -> dict[str, Any]:
        """The laboratory as JSON values; floats survive exactly."""
        return {
            "key": list(self.key),
            "phase_energy_kj_per_mol": dict(self.phase_energy_kj_per_mol),
            "ln_k": dict(self.ln_k),
            "activation_kj_per_mol": dict(self.activation_kj_per_mol),
            "lots": {n: [t.assay, t.particle_um] for n, t in self.lots.items()},
            "thermocouple_c": dict(self.thermocouple_c),
            "mixing": self.mixing,
            "nucleation": self.nucleation,
            "ln_melt": dict(self.ln_melt),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Laboratory:
        """The inverse of ``to_json``."""
        return cls(
            key=tuple(data["key"]),
            phase_energy_kj_per_mol=dict(data["phase_energy_kj_per_mol"]),
            ln_k=dict(data["ln_k"]),
            activation_kj_per_mol=dict(data["activation_kj_per_mol"]),
            lots={n: TrueLot(a, d) for n, (a, d) in data["lots"].items()},
            thermocouple_c=dict(data["thermocouple_c"]),
            mixing=data["mixing"],
            nucleation=data.get("nucleation", 1.0),
            ln_melt=dict(data.get("ln_melt", {})),
        )


def laboratory_key(split: Split, index: int) -> tuple[str | int, ...]:
    """The key of a laboratory of one split; keys of different splits never meet.

    Args:
        split: What the laboratory is for.
        index: Which one, from 0.

    Raises:
        ConfigError: No such split, or an index outside its range.
    """
    if split not in RANGES:
        raise ConfigError("no such set of laboratories", got=split, allowed=", ".join(RANGES))
    low, high = RANGES[split]
    if not 0 <= index < high - low:
        raise ConfigError(
            f"there is no {split} laboratory of this number",
            got=index,
            allowed=f"0 to {high - low - 1}",
            do="stay inside the range, so that no laboratory is used for two purposes",
        )
    return ("laboratory", low + index)


def nominal_laboratory(
    system: ChemicalSystem, lots: Sequence[Lot], furnaces: Sequence[str]
) -> Laboratory:
    """The laboratory in which every label and every figure of the system is true."""
    nothing = Hidden(
        phase_energy_sd_kj_per_mol=0,
        ln_k_sd=0,
        activation_energy_sd_kj_per_mol=0,
        assay_sd=0,
        particle_ln_sd=0,
        thermocouple_sd_c=0,
        mixing_sd=0,
    )
    return draw_laboratory(system, nothing, lots, furnaces, *NOMINAL_KEY)


@dataclass(frozen=True)
class Widths:
    """Standard deviations of what is drawn of a chemical system."""

    energy_kj_per_mol: Mapping[str, float]
    """By solid."""
    ln_k: Mapping[str, float]
    """By ``reaction/variant``."""
    activation_kj_per_mol: Mapping[str, float]
    """By ``reaction/variant``."""
    ln_melt: Mapping[str, float]
    """By melt."""
    ln_nucleation: float


def widths_of(system: ChemicalSystem, hidden: Hidden) -> Widths:
    """The widths a task draws with: its own, or a share of those of the system's file."""
    kinetics = {f"{r.name}/{v}": k for r in system.reactions for v, k in r.kinetics.items()}
    share = hidden.share_of_system
    if share is None:
        return Widths(
            energy_kj_per_mol={p.name: hidden.phase_energy_sd_kj_per_mol for p in system.solids},
            ln_k=dict.fromkeys(kinetics, hidden.ln_k_sd),
            activation_kj_per_mol=dict.fromkeys(kinetics, hidden.activation_energy_sd_kj_per_mol),
            ln_melt={m.name: 0.0 for m in system.melts},
            ln_nucleation=0.0,
        )
    barriers = [r.barrier for r in system.reactions if r.barrier is not None]
    spread = max((3.0 * b.width_j_per_m2 / b.interface_j_per_m2 for b in barriers), default=0.0)
    return Widths(
        energy_kj_per_mol={p.name: share * p.gibbs_width_kj_per_mol for p in system.solids},
        ln_k={row: share * k.ln_k_width for row, k in kinetics.items()},
        activation_kj_per_mol={
            row: share * k.activation_width_kj_per_mol for row, k in kinetics.items()
        },
        ln_melt={m.name: share * m.ln_width for m in system.melts},
        ln_nucleation=share * min(1.0, spread),
    )


def draw_laboratory(
    system: ChemicalSystem,
    hidden: Hidden,
    lots: Sequence[Lot],
    furnaces: Sequence[str],
    *key: str | int,
) -> Laboratory:
    """Draws what a laboratory hides; each figure by its own key, so lists may grow later.

    Energies are drawn per solid phase (gases are known well enough), never per reaction, so no
    cycle of reactions gains energy. ln k is drawn at the reference temperature, inside the data,
    and the activation energy independently of it.

    Args:
        system: The chemistry.
        hidden: Widths of the draws.
        lots: The shelf; the draw starts from the labels.
        furnaces: Names of the furnaces.
        key: Words and numbers that name the draw, as from ``laboratory_key``.
    """

    def normal(*what: str) -> float:
        return float(generator(*key, *what).standard_normal())

    widths = widths_of(system, hidden)
    return Laboratory(
        key=key,
        phase_energy_kj_per_mol={
            name: width * normal("energy", name) for name, width in widths.energy_kj_per_mol.items()
        },
        ln_k={row: width * normal("ln_k", row) for row, width in widths.ln_k.items()},
        activation_kj_per_mol={
            row: width * normal("activation", row)
            for row, width in widths.activation_kj_per_mol.items()
        },
        lots={
            lot.name: TrueLot(
                assay=min(1.0, max(0.01, lot.assay + hidden.assay_sd * normal("assay", lot.name))),
                particle_um=lot.particle_um
                * math.exp(hidden.particle_ln_sd * normal("particle", lot.name)),
            )
            for lot in lots
        },
        thermocouple_c={f: hidden.thermocouple_sd_c * normal("thermocouple", f) for f in furnaces},
        mixing=math.exp(hidden.mixing_sd * normal("mixing")),
        nucleation=math.exp(widths.ln_nucleation * normal("nucleation")),
        ln_melt={name: width * normal("melt", name) for name, width in widths.ln_melt.items()},
    )
