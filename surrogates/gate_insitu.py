"""Gate V7: the measured in-situ run of Y2Mn2O7, fitted on some scans and predicted on others.

Even scans lie 20 s, or 3 degC, from the odd ones that are fitted: interpolation does better
there, and over blocks of 8 min too. Only the forecasts of the hold show whether the twin predicts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from simulators.gates import Figure
from simulators.network import FloatArray
from surrogates.insitu_fit import Fitted, Mask, fit_insitu, members
from surrogates.insitu_twin import SEEN, InsituTwin, Seen

THERE = 0.005
"""Weight fraction from which a phase counts as present."""
APPEARED = 0.02
"""Weight fraction at which a phase counts as formed."""
SLACK_C = 25.0
"""By how much an event may miss the temperature that V7 names, degC."""
HOLD_C = 645.0
BLOCK_SCANS = 24
"""8 min, or 80 degC of the ramp."""
EARLY_HOLD_MIN = 10.0
MEMBERS = 64
"""Draws of a posterior."""
TARGET = 0.08
QUICK_ROUNDS, FULL_ROUNDS = 10, 25
"""Most evaluations with slopes; the fit of the odd scans settles within 15."""


@dataclass(frozen=True)
class Event:
    """When a phase appears or is gone."""

    name: str
    phase: str
    low_c: float
    high_c: float
    gone: bool = False


EVENTS = (
    Event("NaCl from", "NaCl", 230.0, 230.0),
    Event("YCl3 gone", "YCl3", 265.0, 315.0, gone=True),
    Event("YOCl from", "YOCl", 230.0, 450.0),
    Event("Y3O4Cl from", "Y3O4Cl", 450.0, 450.0),
    Event("Y2O3 from", "Y2O3", 490.0, 490.0),
    Event("P3 from", "P3-NaMnO2", 560.0, 570.0),
    Event("Y2Mn2O7 from", "Y2Mn2O7", 650.0, 650.0),
)
"""In the order that V7 asks for; the last must fall into the hold. V7 names no temperature for
YOCl: between NaCl and Y3O4Cl. Thresholds and slack were set with the measured run in sight."""


@dataclass(frozen=True)
class InsituCurves:
    """What the plot of the gate shows; fractions are (scans, phases)."""

    phases: tuple[str, ...]
    time_min: FloatArray
    temperature_c: FloatArray
    fitted_scan: Mask
    """True where the scan was fitted."""
    measured: FloatArray
    """NaN where the refiners' model lacked the phase."""
    simulated: FloatArray
    """After fitting the odd scans."""
    prior: FloatArray
    """As the system file has it."""


def rmse(simulated: FloatArray, measured: FloatArray, rows: Mask, *, strict: bool = False) -> float:
    """Root mean square error of the fractions of some scans.

    Args:
        simulated: (scans, phases).
        measured: (scans, phases); NaN counts as 0.
        rows: Scans that count.
        strict: Count only phases that the refiners' model holds or the twin has more than
            ``THERE`` of: the many phases that are rightly absent do not dilute the error.
    """
    error = (simulated - np.nan_to_num(measured))[rows]
    if strict:
        error = error[~np.isnan(measured[rows]) | (simulated[rows] > THERE)]
    return float(np.sqrt((error**2).mean()))


def moment(event: Event, twin: InsituTwin, fractions: FloatArray, rows: Mask) -> int | None:
    """Index of the first scan among ``rows`` at or after which an event has happened."""
    amount = np.nan_to_num(fractions[:, twin.run.phases.index(event.phase)])
    places = np.flatnonzero(rows)
    if event.gone:
        there = np.flatnonzero(amount[places] >= THERE)
        later = int(there[-1]) + 1 if len(there) else 0
        return int(places[later]) if later < len(places) else None
    there = np.flatnonzero(amount[places] >= APPEARED)
    return int(places[there[0]]) if len(there) else None


def out_of_order(moments: Sequence[int | None]) -> int:
    """Neighbours in the list of events that are not one after the other."""
    ranks = [np.inf if m is None else m for m in moments]
    return sum(not a < b for a, b in pairwise(ranks))


def event_figures(
    twin: InsituTwin, fractions: FloatArray, rows: Mask, label: str = ""
) -> tuple[Figure, ...]:
    """Temperature of every event against V7, and whether they come in order.

    Args:
        twin: The run.
        fractions: (scans, phases).
        rows: Scans that count.
        label: Stands behind the names; with a label the figures are only reported.
    """
    moments = [moment(event, twin, fractions, rows) for event in EVENTS]
    found = []
    for event, place in zip(EVENTS, moments, strict=True):
        value = float("nan") if place is None else float(twin.temperature_c[place])
        low, high = event.low_c - SLACK_C, event.high_c + SLACK_C
        target = f"{low:.0f} to {high:.0f} degC"
        ok = low <= value <= high
        if event.low_c >= HOLD_C:
            target, ok = f">= {HOLD_C:.0f} degC, in the hold", value >= HOLD_C
        found.append((f"{event.name}, degC", value, target, ok))
    wrong = out_of_order(moments)
    found.append(("events out of order", float(wrong), "0", wrong == 0))
    if label:
        return tuple(Figure("V7", f"{n} ({label})", v, "reported", True) for n, v, _, _ in found)
    return tuple(Figure("V7", *row) for row in found)


def interpolated(twin: InsituTwin, rows: Mask) -> FloatArray:
    """Baseline without physics, (scans, phases).

    Fractions are linear in time between the fitted scans; after the last it stays.
    """
    measured, time = np.nan_to_num(twin.measured), twin.time_min
    columns = [np.interp(time, time[rows], column[rows]) for column in measured.T]
    return np.stack(columns, axis=1)


def without_carbonate(twin: InsituTwin) -> Mask:
    """(scans,) where the refiners' model lacked Na2CO3 although it held it again later.

    All other fractions jump there.
    """
    there = ~np.isnan(twin.measured[:, twin.run.phases.index("Na2CO3")])
    last = int(np.flatnonzero(there)[-1])
    return ~there & (np.arange(len(there)) < last)


def odd_scans(twin: InsituTwin) -> Mask:
    """(scans,) the scans that the gate fits."""
    return np.array([scan.scan % 2 == 1 for scan in twin.run.scans])


@cache
def _odd_fit(rounds: int) -> tuple[InsituTwin, Fitted]:
    twin = InsituTwin()
    return twin, fit_insitu(twin, odd_scans(twin), rounds=rounds)


def insitu_curves(quick: bool = False) -> InsituCurves:
    """Measured, fitted and prior fractions against time, for a plot.

    Args:
        quick: A shorter fit, as in ``gate_v7``.
    """
    twin, fitted = _odd_fit(QUICK_ROUNDS if quick else FULL_ROUNDS)
    return InsituCurves(
        phases=twin.run.phases,
        time_min=twin.time_min,
        temperature_c=twin.temperature_c,
        fitted_scan=odd_scans(twin),
        measured=twin.measured,
        simulated=twin.curves(fitted.scores),
        prior=twin.as_filed(),
    )


def gate_v7(quick: bool = False) -> tuple[Figure, ...]:
    """The in-situ run: order and temperatures of the events, error on the even scans.

    Args:
        quick: A shorter fit, and only the figures that V7 asks for with the prior beside them;
            else also the stricter splits and what each half of the parameters does alone.
    """
    curves = insitu_curves(quick)
    twin, fitted = _odd_fit(QUICK_ROUNDS if quick else FULL_ROUNDS)
    even, measured = ~curves.fitted_scan, curves.measured
    error = rmse(curves.simulated, measured, even)
    strict = rmse(curves.simulated, measured, even, strict=True)
    constant = np.broadcast_to(np.nan_to_num(measured)[~even].mean(axis=0), measured.shape)
    figures = (
        Figure("V7", "rmse, even scans", error, f"<= {TARGET}", error <= TARGET),
        Figure("V7", "rmse, even scans, phases present", strict, f"<= {TARGET}", strict <= TARGET),
        _reported("rmse, even scans, without those where the carbonate was left out",
                  rmse(curves.simulated, measured, even & ~without_carbonate(twin))),
        *event_figures(twin, curves.simulated, even),
        *event_figures(twin, measured, even, "measured"),
        _reported("fitted parameters", fitted.free),
        _reported("of these, of the diffraction", len(SEEN)),
        _reported("fitted parameters that the data fix (half the prior's width)",
                  int((np.diag(fitted.covariance) < 0.25).sum())),
        _reported("largest score, prior widths", float(np.abs(fitted.scores).max())),
        _reported("rmse, odd scans (fitted)", rmse(curves.simulated, measured, ~even)),
        _reported("rmse of the prior", rmse(curves.prior, measured, even)),
        _reported("rmse of the prior, phases present",
                  rmse(curves.prior, measured, even, strict=True)),
        _reported("rmse of the mean of the odd scans", rmse(constant, measured, even)),
        _reported("rmse of interpolation", rmse(interpolated(twin, ~even), measured, even)),
        *event_figures(twin, curves.prior, even, "prior"),
    )  # fmt: skip
    return figures if quick else (*figures, *_halves(twin), *_splits(twin))


def _halves(twin: InsituTwin) -> tuple[Figure, ...]:
    """Even scans after fitting only the diffraction, or only the chemistry, to the odd ones."""
    odd = odd_scans(twin)
    diffraction = np.arange(len(twin.names)) >= len(twin.names) - len(SEEN)
    only_seen = fit_insitu(twin, odd, free=diffraction)
    everything = Seen()
    only_chemistry = fit_insitu(twin, odd, free=~diffraction, seen=everything)
    first = twin.curves(only_seen.scores)
    second = twin.curves(only_chemistry.scores, everything)
    return (
        _reported("rmse, only the diffraction fitted", rmse(first, twin.measured, ~odd)),
        _reported("rmse, only the chemistry fitted", rmse(second, twin.measured, ~odd)),
    )


def _splits(twin: InsituTwin) -> tuple[Figure, ...]:
    """Errors where whole stretches of the run are left out of the fit."""
    number = np.arange(len(twin.time_min))
    block = (number // BLOCK_SCANS) % 2 == 0
    simulated, straight = np.zeros_like(twin.measured), np.zeros_like(twin.measured)
    for rows in (block, ~block):
        simulated[~rows] = twin.curves(fit_insitu(twin, rows).scores)[~rows]
        straight[~rows] = interpolated(twin, rows)[~rows]
    every = np.ones_like(block)
    figures = [
        _reported("rmse, left-out blocks of 8 min", rmse(simulated, twin.measured, every)),
        _reported("rmse of interpolation over the blocks", rmse(straight, twin.measured, every)),
    ]
    start = int(np.flatnonzero(twin.temperature_c >= HOLD_C)[0])
    later = twin.time_min[start] + EARLY_HOLD_MIN
    for name, rows in (
        ("hold after fitting the ramp", number < start),
        (f"hold after its first {EARLY_HOLD_MIN:.0f} min", twin.time_min < later),
    ):
        fitted = fit_insitu(twin, rows)
        found, kept = twin.curves(fitted.scores), interpolated(twin, rows)
        figures += [
            _reported(f"rmse, {name}", rmse(found, twin.measured, ~rows)),
            _reported(f"rmse, {name}: prior", rmse(twin.as_filed(), twin.measured, ~rows)),
            _reported(f"rmse, {name}: last scan kept", rmse(kept, twin.measured, ~rows)),
            *_product(twin, fitted, name),
        ]
    return tuple(figures)


def _product(twin: InsituTwin, fitted: Fitted, name: str) -> tuple[Figure, ...]:
    """Weight fraction of the product at the end of the run, with what the fit leaves open."""
    column = twin.run.phases.index("Y2Mn2O7")
    drawn = [twin.curves(row)[-1, column] for row in members(fitted, MEMBERS, name)]
    low, high = np.quantile(drawn, (0.05, 0.95))
    rows = {
        "measured": float(twin.measured[-1, column]),
        "simulated": float(twin.curves(fitted.scores)[-1, column]),
        "5 % of the posterior": float(low),
        "95 % of the posterior": float(high),
    }
    return tuple(_reported(f"Y2Mn2O7 at the end, {name}: {k}", v) for k, v in rows.items())


def _reported(name: str, value: float) -> Figure:
    return Figure("V7", name, float(value), "reported", True)
