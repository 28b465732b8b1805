"""The in-situ run of Y2Mn2O7 in the twin: parameters to what the diffractometer would have seen.

The sample goes along the measured temperatures, scan by scan. Four things of the diffraction are
no chemistry of the system file and are parameters of their own, with their own priors:

* part of the chloride, which takes water from the air, goes in as YOCl (``hydrolysed``): the
  refined amounts at the end hold 2.3 to 2.5 Cl per Y instead of 3;
* only part of the YCl3 diffracts (``crystalline``): 0.106 of the crystalline weight before heating
  where 0.451 was weighed in;
* products formed far below their melting points do not diffract at once (``middle_c``,
  ``ln_width``, for salt, oxychloride and oxides): the carbonate falls by 40 % against Mn2O3 up to
  270 degC while next to no product is seen, and less than half of the yttrium is seen at 500;

and the cell masses of the sodium manganates were refined freely (``ln_manganate``).

These curves, the centres of their priors and the list of reactions to fit were chosen with the
whole run in sight: a fit to some scans is not blind to the form of the others.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit

from sdl.chemistry.system import ChemicalSystem, load_system
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.material import Lot
from sdl.core.recipe import Gas
from sdl.tasks.insitu import InsituRun, load_insitu
from simulators import kernel
from simulators.draws import draw_arrays
from simulators.laboratory import nominal_laboratory
from simulators.network import GAS_NUMBER, FloatArray, Network
from simulators.reactor import Reactor
from surrogates.parameters import Parameter, ParameterSet

SYSTEM = "y-mn-na-cl-c-o"
FURNACE = "capillary"
CHARGE = {"YCl3": 2.0, "Na2CO3": 3.0, "Mn2O3": 1.0}
"""Moles weighed in."""
GRAIN_UM = 5.0
"""Of every powder (unsourced); a wrong one is the same as another ln k."""
MILLED_MIN = 30.0
"""Hand-ground (unsourced)."""

LN_K = (
    "metathesis", "oxychloride_to_rich", "rich_to_oxide", "oxychloride_to_oxide", "sodium_uptake",
    "sodium_uptake_p2", "manganate", "manganates", "p3_to_p2", "pyrochlore_from_p3",
    "pyrochlore_from_p2",
)  # fmt: skip
"""Reactions of which ln k is fitted: all that make or eat one of the 11 phases near the run's
temperatures."""
ACTIVATION = (
    "metathesis", "oxychloride_to_rich", "rich_to_oxide", "sodium_uptake", "pyrochlore_from_p3",
)  # fmt: skip
"""Reactions of which the activation energy is fitted."""
ENERGIES = ("P2-NaMnO2",)
"""Phases whose free energy is fitted, those with an estimated one."""


YOUNG: dict[str, tuple[float, tuple[str, ...]]] = {
    "salt": (380.0, ("NaCl",)),
    "oxychloride": (350.0, ("YOCl",)),
    "oxide": (500.0, ("Y3O4Cl", "Y2O3")),
}
"""What forms far below its melting point: centre of the prior of the temperature at which half of
it diffracts (0.6 of the melting point of NaCl in K; guesses), and the phases."""


@dataclass(frozen=True)
class Seen:
    """What the diffractometer sees, as numbers with a meaning."""

    hydrolysed: float = 0.0
    """Share of the YCl3 that goes in as YOCl (its HCl has left)."""
    crystalline: float = 1.0
    """Share of the YCl3 that diffracts."""
    middle_c: tuple[float, ...] = (-1000.0,) * len(YOUNG)
    """By group of ``YOUNG``: temperature at which half of it diffracts, degC."""
    width_c: tuple[float, ...] = (30.0,) * len(YOUNG)
    """By group: scale of that logistic curve, degC."""
    ln_manganate: float = 0.0
    """Logarithm of seen over true amount of the two layered manganates."""


SEEN = (
    ("hydrolysed", -1.0, 1.0),
    ("crystalline", -1.0, 1.0),
    *((f"middle_c/{name}", middle, 60.0) for name, (middle, _) in YOUNG.items()),
    *((f"ln_width/{name}", float(np.log(40.0)), 0.5) for name in YOUNG),
    ("ln_manganate", 0.0, 0.3),
)
"""Name, centre and width of each prior: logits, degC, ln of degC, logarithm; all unsourced."""


def seen_of(scores: FloatArray) -> Seen:
    """The figures of ``Seen`` from standard scores, one per row of ``SEEN``."""
    rows = zip(SEEN, scores.tolist(), strict=True)
    value = {name: centre + sd * score for (name, centre, sd), score in rows}
    return Seen(
        hydrolysed=float(expit(value["hydrolysed"])),
        crystalline=float(expit(value["crystalline"])),
        middle_c=tuple(value[f"middle_c/{n}"] for n in YOUNG),
        width_c=tuple(math.exp(value[f"ln_width/{n}"]) for n in YOUNG),
        ln_manganate=value["ln_manganate"],
    )


def chemistry(system: ChemicalSystem) -> ParameterSet:
    """The fitted figures of the system file with its widths."""
    kinetics = {r.name: r.kinetics["default"] for r in system.reactions}
    rows = [(f"ln_k/{n}/default", kinetics[n].ln_k_width) for n in LN_K]
    rows += [(f"activation/{n}/default", kinetics[n].activation_width_kj_per_mol)
             for n in ACTIVATION]  # fmt: skip
    rows += [(f"energy/{n}", system.phase(n).gibbs_width_kj_per_mol) for n in ENERGIES]
    return ParameterSet(tuple(Parameter(name, sd, (name,)) for name, sd in rows))


class InsituTwin:
    """The run as a function of standard scores: 0 is the prior's centre, 1 one width above.

    Args:
        run: The measured run.
    """

    def __init__(self, run: InsituRun | None = None) -> None:
        self.run = run or load_insitu()
        self.system = load_system(SYSTEM)
        self.parameters = chemistry(self.system)
        self.lots = tuple(
            Lot(
                name=name,
                phase=name,
                molar_mass_g_per_mol=self.system.phase(name).molar_mass_g_per_mol,
                particle_um=GRAIN_UM,
            )
            for name in (*CHARGE, "YOCl")
        )
        self.laboratory = nominal_laboratory(self.system, self.lots, (FURNACE,))
        self.reactor = Reactor(self.system, self.laboratory, self.lots)
        self._work = kernel.scratch(self.network.net)
        # Most slopes of the diffraction's parameters need the same moles.
        self._last: tuple[bytes, FloatArray] | None = None

    @property
    def network(self) -> Network:
        """The reactions."""
        return self.reactor.network

    @property
    def names(self) -> tuple[str, ...]:
        """Every fitted parameter in order: the chemistry, then what the diffractometer sees."""
        return (*self.parameters.names, *(name for name, _, _ in SEEN))

    @cached_property
    def temperature_c(self) -> FloatArray:
        """Of every scan, (scans,)."""
        return np.array([s.temperature_c for s in self.run.scans])

    @cached_property
    def time_min(self) -> FloatArray:
        """Of every scan, (scans,)."""
        return np.array([s.time_min for s in self.run.scans])

    @cached_property
    def measured(self) -> FloatArray:
        """Weight fractions, (scans, 11); NaN where the refiners' model lacked the phase."""
        return self.run.fractions()

    def moles(self, scores: FloatArray, hydrolysed: float) -> FloatArray:
        """Moles of every solid at every scan, (scans, solids), mmol per mmol of Mn2O3.

        Args:
            scores: Of the chemistry, shape (P,).
            hydrolysed: Share of the YCl3 that goes in as YOCl.
        """
        key = scores.tobytes() + np.float64(hydrolysed).tobytes()
        if self._last is None or self._last[0] != key:
            self._last = (key, self._moles(scores, hydrolysed))
        return self._last[1]

    def _moles(self, scores: FloatArray, hydrolysed: float) -> FloatArray:
        shift = scores * self.parameters.sd
        laboratory = self.parameters.laboratories(shift, self.laboratory)[0]
        draw = draw_arrays(self.network, laboratory, self.lots)
        vector, solids = self._powder(hydrolysed), len(self.network.solid_names)
        kelvin = (self.temperature_c + ZERO_CELSIUS_K).tolist()
        seconds = (self.time_min * 60.0).tolist()
        out = np.empty((len(kelvin), solids))
        for i in range(len(kelvin)):
            if i:
                kernel.heat(
                    self.network.net, draw, vector, GAS_NUMBER[Gas.OXYGEN],
                    kelvin[i - 1], kelvin[i], seconds[i] - seconds[i - 1],
                    self.reactor.tolerance, self._work,
                )  # fmt: skip
            out[i] = vector[:solids] + vector[solids : 2 * solids]
        return out

    def seen(self, moles: FloatArray, seen: Seen) -> FloatArray:
        """Weight fractions of the 11 phases that the diffractometer sees, (scans, 11)."""
        share = np.ones_like(moles)
        column = {name: i for i, name in enumerate(self.network.solid_names)}
        share[:, column["YCl3"]] = seen.crystalline
        # What has crystallised stays so: the warmest scan so far counts.
        warmest = np.maximum.accumulate(self.temperature_c)
        for (_, phases), middle, width in zip(
            YOUNG.values(), seen.middle_c, seen.width_c, strict=True
        ):
            for name in phases:
                share[:, column[name]] = expit((warmest - middle) / width)
        for name in ("P3-NaMnO2", "P2-NaMnO2"):
            share[:, column[name]] = np.exp(seen.ln_manganate)
        mass = moles * share * self.network.net.molar_mass
        mass /= mass.sum(axis=1, keepdims=True)
        return mass[:, [column[name] for name in self.run.phases]]

    def curves(self, scores: FloatArray, seen: Seen | None = None) -> FloatArray:
        """Weight fractions seen, (scans, 11), from the scores of all parameters, shape (P,).

        Args:
            scores: In the order of ``names``.
            seen: Replaces what the last scores say about the diffraction.
        """
        seen = seen or seen_of(scores[-len(SEEN) :])
        return self.seen(self.moles(scores[: -len(SEEN)], seen.hydrolysed), seen)

    def as_filed(self) -> FloatArray:
        """The prior: every figure as in the system file, every phase fully seen, (scans, 11)."""
        nothing = np.zeros(len(self.parameters.parameters))
        return self.seen(self.moles(nothing, 0.0), Seen())

    def _powder(self, hydrolysed: float) -> FloatArray:
        chloride = CHARGE["YCl3"]
        amounts = CHARGE | {"YCl3": chloride * (1 - hydrolysed), "YOCl": chloride * hydrolysed}
        material = self.reactor.empty()
        for lot in self.lots:
            if amounts[lot.name] > 0.0:
                mass = amounts[lot.name] * lot.molar_mass_g_per_mol
                material = self.reactor.dispense(material, lot.name, mass)
        return self.reactor.mill(material, MILLED_MIN).vector.copy()
