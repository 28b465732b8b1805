"""Fits of the twin to the YBCO firings: all of them, without one barium source, with half the sets.

Fits to yields weigh draws of the prior by their likelihood (one population for all fits, so none
has a start or a search of its own); the fit to phases follows slopes. This takes minutes, so the
result ships with the project; ``python -m surrogates.ybco_calibration FILE`` makes it anew. The
file names outcomes, parameters and system it was made from by their hashes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sdl.core.errors import ModelError
from sdl.core.model import content_hash
from sdl.tasks.ybco import BARIUM_SOURCES, TARGET, YbcoCell, load_cells, load_onsets
from surrogates.observed import Noise, readings
from surrogates.outcomes import halves, outcomes_hash
from surrogates.twin import Twin
from surrogates.ybco_fit import Fit, Misfit, cost, gauss_newton
from surrogates.ybco_onsets import shelf_of
from surrogates.ybco_parameters import ybco_parameters
from surrogates.ybco_protocol import (
    DETECTION,
    LABELS,
    SEEN,
    experiments,
    furnace_system,
    merged,
    shelf,
    without_twins,
)

Array = npt.NDArray[np.float64]

FILE = "ybco-fits.json"
ALL, PHASES = "all", "phases"
"""Fits to every set: to the yields, and to yields and phases."""
COOLEST_C = 700.0
"""Fits to yields leave 600 degC out: what is nothing at 700 is nothing there."""
HALVES = 6
"""Random halves of the precursor sets, for line 9."""
POPULATION = 1500
"""Draws of the prior; every fit to yields weighs the same ones by the firings that it sees."""
LEAST_MEMBERS = 10.0
"""Effective number of draws that a weighing keeps: the likelihood is tempered until there are as
many. Few draws that are near the data stand for a belief that nobody has. Chosen after left-out
ranks and halves had been looked at for effective numbers from 1 to 40."""
STARTS, WIDER = 280, 1.2
"""Draws, made a fifth wider, of which the best begins the fit to phases."""
HOT_C = 800.0
ITERATIONS = 8
MEMBERS = 48
"""Members of equal weight of a fit to yields; that to phases has its optimum alone."""
BATCH = 250
OTHER_PHASES = 0.4
"""Factor on the residuals of phases beside the target: eight fractions of one scan, which sum to
1, then count about as one."""
FITTING, EXACT = 4e-3, 6e-4
"""Tolerances of the solver for fits and for figures."""
NOISE = Noise(detection=DETECTION, discrepancy=0.0)
"""The scatter between sets is in the readings' own sigma."""


@dataclass(frozen=True)
class Posterior:
    """One fit as it ships."""

    members: tuple[tuple[float, ...], ...]
    """Parameters over their prior widths."""
    tempering: float
    """Exponent on the likelihood; 1 for the fit to phases."""
    experiments: int
    """How many firings it has seen, twins counted once."""

    @property
    def scaled(self) -> Array:
        """Parameters over prior widths, shape ``(MEMBERS, P)``."""
        return np.array(self.members, dtype=np.float64)


@dataclass(frozen=True)
class Fits:
    """All fits with what they were made from."""

    outcomes: str
    parameters: str
    system: str
    fits: dict[str, Posterior]


@cache
def ybco_twin(tolerance: float = EXACT, threads: int | None = None) -> Twin:
    """The twin of the YBCO firings with its unknown figures."""
    system = furnace_system()
    lots = shelf_of(load_onsets(), shelf(system), system)
    return Twin(system, tuple(lots), ybco_parameters(system), tolerance=tolerance, threads=threads)


def left_out(name: str) -> frozenset[str]:
    """Groups of precursor sets that a fit does not see.

    Args:
        name: ``all``, ``phases``, ``without/SOURCE`` or ``half/NUMBER``.
    """
    kind, _, which = name.partition("/")
    cells = load_cells()
    if kind == "without":
        return frozenset(c.group for c in cells if which in c.barium_sources)
    if kind == "half":
        return halves(experiments(cells, furnace_system()), "ybco", int(which))
    return frozenset()


def fit_names() -> tuple[str, ...]:
    """Names of the fits that ship."""
    sources = (f"without/{source}" for source in BARIUM_SOURCES)
    return (ALL, *sources, PHASES, *(f"half/{i}" for i in range(HALVES)))


def fitted_cells(held_out: Collection[str] = ()) -> tuple[YbcoCell, ...]:
    """Firings to fit, twins counted once."""
    return tuple(c for c in without_twins(load_cells()) if c.group not in held_out)


@cache
def load_fits() -> Fits:
    """The shipped fits.

    Raises:
        ModelError: They were made from other outcomes or parameters.
    """
    text = (resources.files("sdl.chemistry") / "data" / FILE).read_text(encoding="utf-8")
    raw = json.loads(text)
    fits = {
        name: Posterior(
            tuple(tuple(row) for row in one["members"]), one["tempering"], one["experiments"]
        )
        for name, one in raw["fits"].items()
    }
    found = Fits(raw["outcomes"], raw["parameters"], raw["system"], fits)
    now = _made_from(ybco_twin())
    if (found.outcomes, found.parameters) != now[:2]:
        raise ModelError(
            "the fits of the YBCO twin belong to other outcomes or parameters",
            got=f"{found.outcomes[:12]}, {found.parameters[:12]}",
            allowed=f"{now[0][:12]}, {now[1][:12]}",
            do=f"python -m surrogates.ybco_calibration sdl/chemistry/data/{FILE}",
        )
    return found


def same_system(fits: Fits) -> bool:
    """Whether the chemical system is still the one that was fitted."""
    return fits.system == _made_from(ybco_twin())[2]


def population(twin: Twin) -> tuple[Array, Array]:
    """Draws of the prior in its widths, and their fractions of the target for ``yield_cells``."""
    parameters = twin.parameters
    scaled = parameters.draw(POPULATION, "ybco-population") / parameters.sd
    known = experiments(yield_cells(), twin.system, target_only=True)
    place = twin.phases.index(TARGET)
    parts = [
        merged(twin.fractions(part * parameters.sd, known), twin.phases)[..., place]
        for part in np.array_split(scaled, -(-POPULATION // BATCH))
    ]
    return scaled, np.concatenate(parts)


def yield_cells(held_out: Collection[str] = ()) -> tuple[YbcoCell, ...]:
    """The firings that fits to yields see."""
    return tuple(c for c in fitted_cells(held_out) if c.temperature_c >= COOLEST_C)


def weigh(name: str, drawn: tuple[Array, Array], twin: Twin) -> Posterior:
    """Draws of the prior, weighed by the yields that a fit sees, as members of equal weight."""
    hidden, cells = left_out(name), yield_cells()
    scaled, fractions = drawn
    known = readings(experiments(cells, twin.system, target_only=True), [TARGET])
    seen = np.array([c.group not in hidden for c in cells], dtype=np.bool_)
    log = NOISE.log_density(fractions, known)[:, seen].sum(axis=1)
    exponent, weights = tempered(log, LEAST_MEMBERS)
    # Systematic resampling: a draw stands as often as its weight says, to one.
    marks = (np.arange(MEMBERS) + 0.5) / MEMBERS
    chosen = np.searchsorted(np.cumsum(weights), marks)
    rows = tuple(tuple(row) for row in np.round(scaled[chosen], 3).tolist())
    return Posterior(rows, round(exponent, 4), int(seen.sum()))


def tempered(log: Array, least: float) -> tuple[float, Array]:
    """The largest exponent up to 1 that keeps an effective number of members, and their weights."""

    def weights(exponent: float) -> Array:
        raw = np.exp(exponent * (log - log.max()))
        return raw / raw.sum()

    def enough(exponent: float) -> bool:
        return 1.0 / float((weights(exponent) ** 2).sum()) >= least

    low, high = 0.0, 1.0
    if enough(high):
        return high, weights(high)
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if enough(middle) else (low, middle)
    return low, weights(low)


def fit_phases(twin: Twin) -> Posterior:
    """The most probable parameters for yields and phases of all firings, as one member."""
    parameters = twin.parameters
    weight: dict[str, float] = dict.fromkeys(SEEN[1:], OTHER_PHASES)
    cells = fitted_cells()
    hot = experiments([c for c in cells if c.temperature_c >= HOT_C], twin.system)
    starts = WIDER * parameters.draw(STARTS, "ybco-starts") / parameters.sd
    at_start = Misfit(twin, hot, NOISE, LABELS, weight)(starts)
    first = starts[int(cost(at_start, starts).argmin())]
    misfit = Misfit(twin, experiments(cells, twin.system), NOISE, LABELS, weight)
    found: Fit = gauss_newton(misfit, first, ITERATIONS)
    optimum = tuple(np.round(found.scaled, 3).tolist())
    return Posterior((optimum,), 1.0, len(cells))


def _made_from(twin: Twin) -> tuple[str, str, str]:
    """Hashes of outcomes, parameters and system."""
    outcomes = outcomes_hash(experiments(load_cells(), twin.system))
    parameters = content_hash([asdict(p) for p in twin.parameters.parameters])
    return outcomes, parameters, content_hash(twin.system)


def main(path: Path) -> None:
    """Makes all fits and writes them."""
    twin = ybco_twin(FITTING)
    drawn = population(twin)
    fits = {name: weigh(name, drawn, twin) for name in fit_names() if name != PHASES}
    fits[PHASES] = fit_phases(twin)
    made = Fits(*_made_from(twin), fits)
    path.write_text(json.dumps(asdict(made), sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
