"""Gates V5 and V6 and line 9: the twin against the measured YBCO firings.

Yields are means over a fit's members; phases are those of the optimum of the fit to phases.

Everything here rests on one hold time, one furnace, one laboratory, no repeats. Figures count twins
once. "Left out" means: predicted by fits that saw no set with that barium source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from sdl.tasks.ybco import BARIUM_SOURCES, TARGET, YbcoCell, load_cells, load_onsets
from simulators.gates import Figure
from surrogates.observed import readings
from surrogates.outcomes import split
from surrogates.scores import Comparison, compare, predicted
from surrogates.scores import Predicted as Scored
from surrogates.twin import Twin
from surrogates.ybco_calibration import (
    ALL,
    HALVES,
    NOISE,
    PHASES,
    fitted_cells,
    left_out,
    load_fits,
    same_system,
    ybco_twin,
    yield_cells,
)
from surrogates.ybco_onsets import Onset, simulate_onsets
from surrogates.ybco_predictions import Predicted, in_sample, out_of_sample, scans
from surrogates.ybco_protocol import DETECTION, LABELS, experiments

Array = npt.NDArray[np.float64]

PURE = 0.995
TRACE = 0.02
"""Yield below which a firing counts as without target."""
MEMBERS, QUICK_MEMBERS = 48, 6
PRIOR_MEMBERS, QUICK_PRIOR_MEMBERS = 240, 12
QUICK_TOLERANCE = 3e-3
LEAST_RANK, LEAST_F1, LEAST_ONSETS = 0.40, 0.75, 22
ORDER = (
    ("BaO", "BaO2"), ("BaO", "Ba2Cu3O6"), ("BaO2", "BaCuO2"), ("Ba2Cu3O6", "BaCuO2"),
    ("BaCuO2", "BaCO3"),
)  # fmt: skip
"""Pairs of barium sources, the better one first, by mean yield at 900 degC."""


@dataclass(frozen=True)
class YbcoYields:
    """What gate V5 is made of, for tables and a plot of predicted against measured yields."""

    fitted: Predicted
    left_out: Predicted


def v5_data(*, quick: bool = False) -> YbcoYields:
    """Yields of all firings in the sample and with their barium source left out."""
    twin, fits, cells = _twin(quick), load_fits(), fitted_cells()
    every = MEMBERS // QUICK_MEMBERS if quick else 1
    if quick:
        cells = tuple(c for c in cells if c.temperature_c >= 700.0)
    return YbcoYields(in_sample(twin, fits, cells, every), out_of_sample(twin, fits, cells, every))


def gate_v5(*, quick: bool = False, data: YbcoYields | None = None) -> tuple[Figure, ...]:
    """Yields: means, purity, order, rank at 900 degC, baselines; in the sample and left out."""
    found = data or v5_data(quick=quick)
    fits = load_fits()
    count = fits.fits[ALL].scaled.shape[1]
    return (
        *_yield_figures("in_sample", found.fitted),
        *_yield_figures("left_out", found.left_out),
        Figure("V5", "fitted_parameters", float(count), "reported", True),
        Figure(
            "V5", "fits_of_this_system", float(same_system(fits)), "reported", True,
            note="0: the chemical system has changed since the fits were made",
        ),
    )  # fmt: skip


def gate_v6(*, quick: bool = False) -> tuple[Figure, ...]:
    """Phases present in the 114 firings with phases, and the 27 onsets; both in the sample.

    A phase is present where the optimum of the fit shows 2 wt% of it or more.
    """
    twin, fits = _twin(quick), load_fits()
    cells = [c for c in load_cells() if c.weight_fractions is not None]
    if quick:
        cells = cells[::3]
    shown = scans(twin, fits.fits[PHASES].scaled[:1], cells)[0] >= DETECTION
    there = _presence(cells, twin)
    score = f1(there, shown)
    usual = f1(there, _usual(there, cells))
    onsets = v6_onsets(twin)
    right = sum(o.right for o in onsets)
    return (
        Figure("V6", "micro_f1", score, f">= {LEAST_F1:g}", score >= LEAST_F1),
        Figure(
            "V6", "micro_f1_of_phases_usual_at_a_temperature", usual, "reported", True,
            note="present at a temperature if in more than half of its other firings",
        ),
        _present("BaCO3", 39, cells, shown, twin, quick),
        _present("CuO", 45, cells, shown, twin, quick),
        Figure("V6", "onsets_right", float(right), f">= {LEAST_ONSETS} of 27",
               right >= LEAST_ONSETS,
               note="wrong: " + "; ".join("+".join(o.measured.reactants) for o in onsets
                                          if not o.right)),
    )  # fmt: skip


def v6_onsets(twin: Twin) -> tuple[Onset, ...]:
    """The 27 onsets by the optimum of the fit to yields, phases and onsets."""
    values = load_fits().fits[PHASES].scaled[:1] * twin.parameters.sd
    return simulate_onsets(twin, values, load_onsets())


def gate_line9(*, quick: bool = False) -> tuple[Figure, ...]:
    """Fits to half of the precursor sets against the prior, on the other half; several halves."""
    found = line9_comparison(quick=quick)
    gains = (("log_density", found.gain.log_density), ("rank", found.gain.rank))
    return tuple(
        Figure(
            "line9", f"gain_of_{name}_held_out", gain.value, "95 % interval above 0",
            gain.low > 0.0, note=f"{gain.low:.3f} to {gain.high:.3f}",
        )
        for name, gain in gains
    ) + tuple(
        Figure("line9", f"{side}_{name}_held_out", getattr(figures, name).value, "reported", True)
        for side, figures in (("prior", found.prior), ("posterior", found.posterior))
        for name in ("log_density", "rank", "rmse")
    )  # fmt: skip


def line9_comparison(*, quick: bool = False) -> Comparison:
    """Prior and posteriors on the halves they have not seen, all halves together.

    Yields alone are scored. A set stands once for every half that left it out; the bootstrap draws
    sets with all they stand for.
    """
    twin, fits = _twin(quick), load_fits()
    parameters, every = twin.parameters, experiments(yield_cells(), twin.system, target_only=True)
    draws = parameters.draw(QUICK_PRIOR_MEMBERS if quick else PRIOR_MEMBERS, "ybco-line9")
    before = twin.fractions(draws, every)
    sides: tuple[list[Scored], list[Scored]] = ([], [])
    held = []
    for half in range(1 if quick else HALVES):
        name = f"half/{half}"
        hidden = left_out(name)
        rest = split(every, hidden)[1]
        place = [i for i, e in enumerate(every) if e.group in hidden]
        known = readings(rest, twin.phases, LABELS)
        scaled = fits.fits[name].scaled[:: MEMBERS // QUICK_MEMBERS if quick else 1]
        after = twin.fractions(scaled * parameters.sd, rest)
        sides[0].append(predicted(before[:, place], known, NOISE))
        sides[1].append(predicted(after, known, NOISE))
        held += [e.model_copy(update={"name": f"{name}/{e.name}"}) for e in rest]
    prior, posterior = (
        Scored(
            np.concatenate([s.log_density for s in side]), np.concatenate([s.mean for s in side])
        )
        for side in sides
    )
    found = readings(held, twin.phases, LABELS)
    return compare(prior, posterior, found, [e.group for e in held], TARGET, "ybco-line9")


def f1(there: npt.NDArray[np.bool_], shown: npt.NDArray[np.bool_]) -> float:
    """Micro-averaged F1 of phases present, shapes ``(n, S)``."""
    both = float((there & shown).sum())
    return 2.0 * both / float(there.sum() + shown.sum())


def _yield_figures(side: str, found: Predicted) -> tuple[Figure, ...]:
    cold, warm, hot = found.at(600.0, 700.0), found.at(800.0), found.at(900.0)
    y, twin = found.measured, found.twin
    most = float(twin[cold].max())
    means = [float(twin[rows].mean()) for rows in (warm, hot)]
    early = int((twin[~hot] >= PURE).sum())
    carbonate = int((twin[hot & found.has("BaCO3")] >= PURE).sum())
    by_source = {b: float(twin[hot & found.has(b)].mean()) for b in BARIUM_SOURCES}
    ordered = sum(by_source[a] > by_source[b] for a, b in ORDER)
    rank = _rank(twin[hot], y[hot])
    errors = {
        name: float(np.sqrt(np.mean((values[hot] - y[hot]) ** 2)))
        for name, values in (("twin", twin), ("constant", found.constant), ("ridge", found.ridge))
    }
    told = ", ".join(f"{b} {m:.2f}" for b, m in by_source.items())
    figures = [
        Figure("V5", f"{side}.most_at_600_and_700", most, f"< {TRACE:g}", most < TRACE),
        Figure("V5", f"{side}.mean_at_800", means[0], "0.25 +- 0.08", abs(means[0] - 0.25) <= 0.08),
        Figure("V5", f"{side}.mean_at_900", means[1], "0.63 +- 0.10", abs(means[1] - 0.63) <= 0.10),
        Figure("V5", f"{side}.pure_up_to_800", float(early), "0", early == 0),
        Figure("V5", f"{side}.pure_with_BaCO3", float(carbonate), "0", carbonate == 0),
        Figure("V5", f"{side}.barium_sources_in_order", float(ordered), f"{len(ORDER)} pairs",
               ordered == len(ORDER), note=told),
        Figure("V5", f"{side}.rank_at_900", rank, f">= {LEAST_RANK:g}", rank >= LEAST_RANK),
    ]  # fmt: skip
    # In its own sample a mean or a regression is no rival: it has as many figures as sources.
    judged = side == "left_out"
    figures.append(Figure("V5", f"{side}.rmse_at_900", errors["twin"], "reported", True))
    for name in ("constant", "ridge"):
        target = "above that of the twin" if judged else "reported"
        ok = errors[name] > errors["twin"] or not judged
        figures.append(Figure("V5", f"{side}.rmse_at_900_of_{name}", errors[name], target, ok))
        ranked = _rank(getattr(found, name)[hot], y[hot])
        figures.append(Figure("V5", f"{side}.rank_at_900_of_{name}", ranked, "reported", True))
    return tuple(figures)


def _rank(a: Array, b: Array) -> float:
    """Spearman correlation; 0 where one does not vary."""
    if np.ptp(a) < 1e-9 or np.ptp(b) < 1e-9:
        return 0.0
    x, y = rankdata(a), rankdata(b)
    return float(np.corrcoef(x, y)[0, 1])


def _presence(cells: Sequence[YbcoCell], twin: Twin) -> npt.NDArray[np.bool_]:
    there = np.zeros((len(cells), len(twin.phases)), dtype=np.bool_)
    for i, cell in enumerate(cells):
        for phase, share in (cell.weight_fractions or {}).items():
            there[i, twin.phases.index(phase)] = share > 0.0
    return there


def _usual(there: npt.NDArray[np.bool_], cells: Sequence[YbcoCell]) -> npt.NDArray[np.bool_]:
    """Phases in more than half of the other groups' firings at the temperature."""
    shown = np.zeros_like(there)
    for i, cell in enumerate(cells):
        others = [
            j
            for j, c in enumerate(cells)
            if c.temperature_c == cell.temperature_c and c.group != cell.group
        ]
        shown[i] = there[others].mean(axis=0) > 0.5
    return shown


def _present(
    phase: str, wanted: int, cells: Sequence[YbcoCell], shown: npt.NDArray[np.bool_],
    twin: Twin, quick: bool,
) -> Figure:  # fmt: skip
    """How many products of 600 degC hold a phase; within three of what was measured."""
    rows = [i for i, c in enumerate(cells) if c.temperature_c == 600.0]
    count = int(shown[rows, twin.phases.index(phase)].sum())
    if quick:
        return Figure("V6", f"{phase}_at_600", float(count), "reported", True, note="part of them")
    target = f"{wanted} of 45, within 3"
    return Figure("V6", f"{phase}_at_600", float(count), target, abs(count - wanted) <= 3)


def _twin(quick: bool) -> Twin:
    return ybco_twin(QUICK_TOLERANCE) if quick else ybco_twin()
