"""What is not known of a twin: a named vector with its prior, to and from laboratories.

A parameter adds its value to one or several entries of a laboratory (``energy/BaO``,
``ln_k/decarbonation/default``) or to a circumstance of the campaign that no laboratory object
holds (``ln_p/CO2``, ``ln_dwell``). Zero is what the system file says; the
prior is normal around it. One that moves many entries at once (all kinetics from one rule of
thumb, say) lets results on some reactions teach about others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import ModelError
from sdl.core.material import Lot
from sdl.core.seeds import generator
from sdl.tasks.task import Hidden
from simulators.laboratory import Laboratory, TrueLot

Array = npt.NDArray[np.float64]

_FIELDS = {
    "energy": "phase_energy_kj_per_mol",
    "ln_k": "ln_k",
    "activation": "activation_kj_per_mol",
    "thermocouple": "thermocouple_c",
    "ln_melt": "ln_melt",
}
"""Entries that are shifts in a dictionary of ``Laboratory``."""
_FACTORS = {"ln_mixing": "mixing", "ln_nucleation": "nucleation"}
"""Entries that are the logarithm of a number of ``Laboratory``."""
_LOT_ENTRIES = ("assay", "ln_particle")
_CIRCUMSTANCES = ("ln_p", "ln_dwell")
_KINDS = (*_FIELDS, *_FACTORS, *_LOT_ENTRIES, *_CIRCUMSTANCES)


@dataclass(frozen=True)
class Parameter:
    """One unknown figure; its prior is normal with mean 0."""

    name: str
    sd: float
    """Prior standard deviation: kJ/mol for energies, degC for thermocouples, else a logarithm."""
    entries: tuple[str, ...]
    """What its value is added to, as ``ln_k/REACTION/VARIANT``."""


@dataclass(frozen=True)
class Circumstances:
    """What a campaign leaves unknown beside the laboratory; zero means as the files say."""

    ln_p: tuple[tuple[str, float], ...] = ()
    """By vapour: logarithm of true over stated partial pressure, in every furnace gas."""
    ln_dwell: float = 0.0
    """Logarithm of true over stated dwell of every anneal."""


@dataclass(frozen=True)
class ParameterSet:
    """A vector of parameters; a row of values is in their order."""

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        names = self.names
        if len(set(names)) != len(names):
            twice = sorted({n for n in names if names.count(n) > 1})
            raise ModelError("a parameter stands twice", got=", ".join(twice))
        for parameter in self.parameters:
            wrong = [e for e in parameter.entries if e.split("/")[0] not in _KINDS]
            if wrong or not parameter.entries:
                raise ModelError(
                    f"the parameter {parameter.name} moves nothing that a twin has",
                    got=", ".join(wrong) or "no entry",
                    allowed=", ".join(_KINDS),
                )
            if not 0.0 < parameter.sd < math.inf:
                raise ModelError(
                    f"the parameter {parameter.name} needs a prior width",
                    got=parameter.sd,
                    allowed="a finite number above 0",
                    do="leave out what is known",
                )

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(p.name for p in self.parameters)

    @property
    def sd(self) -> Array:
        """Prior standard deviations, shape ``(P,)``."""
        return np.array([p.sd for p in self.parameters], dtype=np.float64)

    @cached_property
    def entries(self) -> tuple[str, ...]:
        """Every entry that some parameter moves, sorted."""
        return tuple(sorted({e for p in self.parameters for e in p.entries}))

    @cached_property
    def moves(self) -> Array:
        """How often each parameter is added to each entry, shape ``(entries, P)``."""
        place = {entry: i for i, entry in enumerate(self.entries)}
        table = np.zeros((len(place), len(self.parameters)))
        for j, parameter in enumerate(self.parameters):
            for entry in parameter.entries:
                table[place[entry], j] += 1.0
        return table

    def draw(self, members: int, *key: str | int) -> Array:
        """A prior ensemble, shape ``(members, P)``.

        Every parameter has its own key, so another list of parameters, another order or a larger
        ensemble leaves the draws of a parameter's first members as they are.
        """
        columns = [
            p.sd * generator("belief-prior", *key, p.name).standard_normal(members)
            for p in self.parameters
        ]
        return np.stack(columns, axis=1) if columns else np.zeros((members, 0))

    def laboratories(
        self, values: Array, labelled: Laboratory, drawn: Sequence[Laboratory] | None = None
    ) -> list[Laboratory]:
        """One laboratory per row of values.

        Args:
            values: Shape ``(N, P)``.
            labelled: The laboratory in which every label is true: values are added to it.
            drawn: Where each member takes what no parameter moves, as the bottles of another
                laboratory; ``labelled`` if absent.

        Raises:
            ModelError: An entry names a lot that ``labelled`` does not have.
        """
        shifts = np.atleast_2d(values) @ self.moves.T
        others = drawn if drawn is not None else [labelled] * len(shifts)
        return [
            _moved(dict(zip(self.entries, row.tolist(), strict=True)), labelled, other)
            for row, other in zip(shifts, others, strict=True)
        ]

    def circumstances(self, values: Array) -> list[Circumstances]:
        """The circumstances of each row of values, shape ``(N, P)``."""
        picked = [i for i, e in enumerate(self.entries) if e.split("/")[0] in _CIRCUMSTANCES]
        shifts = np.atleast_2d(values) @ self.moves[picked].T
        names = [self.entries[i] for i in picked]
        return [_circumstances(dict(zip(names, row.tolist(), strict=True))) for row in shifts]

    def values_of(self, laboratory: Laboratory, labelled: Laboratory) -> Array:
        """The most probable values that make a laboratory, shape ``(P,)``.

        Exact where each entry has its own parameter; where several move one entry, the prior
        decides how much each moves. Circumstances are taken as stated.
        """
        shifts = np.array([_shift(entry, laboratory, labelled) for entry in self.entries])
        scaled = np.linalg.lstsq(self.moves * self.sd, shifts, rcond=None)[0]
        return self.sd * scaled


def of_system(system: ChemicalSystem) -> tuple[Parameter, ...]:
    """Phase energies, ln k and activation energies with the widths of the system file.

    A figure of width 0 is known and gives no parameter.
    """
    found = [
        Parameter(f"energy/{p.name}", p.gibbs_width_kj_per_mol, (f"energy/{p.name}",))
        for p in system.solids
    ]
    for reaction in system.reactions:
        for variant, kinetics in reaction.kinetics.items():
            row = f"{reaction.name}/{variant}"
            widths = {
                "ln_k": kinetics.ln_k_width,
                "activation": kinetics.activation_width_kj_per_mol,
            }
            found += [Parameter(f"{k}/{row}", sd, (f"{k}/{row}",)) for k, sd in widths.items()]
    return tuple(p for p in found if p.sd > 0.0)


def of_hidden(
    system: ChemicalSystem, hidden: Hidden, lots: Sequence[Lot], furnaces: Sequence[str]
) -> tuple[Parameter, ...]:
    """What ``draw_laboratory`` draws, with the same widths: the belief over a task's laboratory."""
    rows = [f"{r.name}/{v}" for r in system.reactions for v in r.kinetics]
    widths = [(f"energy/{p.name}", hidden.phase_energy_sd_kj_per_mol) for p in system.solids]
    widths += [(f"ln_k/{row}", hidden.ln_k_sd) for row in rows]
    widths += [(f"activation/{row}", hidden.activation_energy_sd_kj_per_mol) for row in rows]
    chemistry = tuple(Parameter(name, sd, (name,)) for name, sd in widths if sd > 0.0)
    return chemistry + of_equipment(hidden, lots, furnaces)


def of_equipment(
    hidden: Hidden, lots: Sequence[Lot], furnaces: Sequence[str]
) -> tuple[Parameter, ...]:
    """Bottles, thermocouples and mixing of one laboratory with the widths of a task."""
    widths = [(f"assay/{lot.name}", hidden.assay_sd) for lot in lots]
    widths += [(f"ln_particle/{lot.name}", hidden.particle_ln_sd) for lot in lots]
    widths += [(f"thermocouple/{name}", hidden.thermocouple_sd_c) for name in furnaces]
    widths.append(("ln_mixing", hidden.mixing_sd))
    return tuple(Parameter(name, sd, (name,)) for name, sd in widths if sd > 0.0)


def of_melts(system: ChemicalSystem) -> tuple[Parameter, ...]:
    """The factors by which melts speed reactions up, with the widths of the system file."""
    names = [(f"ln_melt/{melt.name}", melt.ln_width) for melt in system.melts]
    return tuple(Parameter(name, sd, (name,)) for name, sd in names if sd > 0.0)


def of_nucleation(system: ChemicalSystem) -> tuple[Parameter, ...]:
    """One factor on all nucleation barriers; they go with the third power of the interface.

    Its width is three times the mean relative width of the interfacial energies of the file.
    """
    barriers = [r.barrier for r in system.reactions if r.barrier is not None]
    if not barriers:
        return ()
    sd = 3.0 * float(np.mean([b.width_j_per_m2 / b.interface_j_per_m2 for b in barriers]))
    return (Parameter("ln_nucleation", sd, ("ln_nucleation",)),) if sd > 0.0 else ()


def shared(name: str, sd: float, entries: Iterable[str]) -> Parameter:
    """One figure that moves several entries together, as a rule of thumb that may be off.

    Args:
        name: Its name; stands behind ``shared/``.
        sd: Prior standard deviation in the unit of the entries.
        entries: What it moves, as ``ln_k/REACTION/VARIANT``.
    """
    return Parameter(f"shared/{name}", sd, tuple(sorted(entries)))


def _moved(shifts: Mapping[str, float], labelled: Laboratory, other: Laboratory) -> Laboratory:
    """``other`` with every moved entry set to the label plus its shift."""
    changed: dict[str, Any] = {f: dict(getattr(other, f)) for f in _FIELDS.values()}
    lots = dict(other.lots)
    for entry, shift in shifts.items():
        kind, _, name = entry.partition("/")
        if kind in _FIELDS:
            changed[_FIELDS[kind]][name] = getattr(labelled, _FIELDS[kind]).get(name, 0.0) + shift
        elif kind in _LOT_ENTRIES:
            lots[name] = _moved_lot(kind, _lot(labelled, name), lots.get(name), shift)
        elif kind in _FACTORS:
            changed[_FACTORS[kind]] = getattr(labelled, _FACTORS[kind]) * math.exp(shift)
    return replace(other, **changed, lots=lots)


def _moved_lot(kind: str, label: TrueLot, before: TrueLot | None, shift: float) -> TrueLot:
    before = before or label
    if kind == "assay":
        return replace(before, assay=min(1.0, max(0.01, label.assay + shift)))
    return replace(before, particle_um=label.particle_um * math.exp(shift))


def _lot(laboratory: Laboratory, name: str) -> TrueLot:
    if name not in laboratory.lots:
        raise ModelError(
            "a parameter moves a lot that is not on the shelf",
            got=name,
            allowed=", ".join(laboratory.lots),
        )
    return laboratory.lots[name]


def _shift(entry: str, laboratory: Laboratory, labelled: Laboratory) -> float:
    kind, _, name = entry.partition("/")
    if kind in _FIELDS:
        field = _FIELDS[kind]
        return getattr(laboratory, field).get(name, 0.0) - getattr(labelled, field).get(name, 0.0)
    if kind in _LOT_ENTRIES:
        label = _lot(labelled, name)
        true = laboratory.lots.get(name, label)
        if kind == "assay":
            return true.assay - label.assay
        return math.log(true.particle_um / label.particle_um)
    if kind in _FACTORS:
        return math.log(getattr(laboratory, _FACTORS[kind]) / getattr(labelled, _FACTORS[kind]))
    return 0.0


def _circumstances(shifts: Mapping[str, float]) -> Circumstances:
    pressures = {e.partition("/")[2]: v for e, v in shifts.items() if e.startswith("ln_p/")}
    return Circumstances(tuple(pressures.items()), shifts.get("ln_dwell", 0.0))
