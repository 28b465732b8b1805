"""What fits of the YBCO twin say of the firings, in the sample and out, beside two baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.tasks.ybco import BARIUM_SOURCES, TARGET, YbcoCell
from surrogates.twin import Twin
from surrogates.ybco_calibration import ALL, Fits, left_out
from surrogates.ybco_protocol import experiments, merged, scanned

Array = npt.NDArray[np.float64]

PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Of the ridge; the best on groups left out of the fitted part is taken."""


@dataclass(frozen=True)
class Predicted:
    """Yields of firings as predicted without having seen them, or in the sample.

    Attributes:
        cells: The firings.
        measured: Weight fractions of the target, shape ``(n,)``.
        twin: Mean over members of what a scan would report, shape ``(n,)``.
        constant: Mean of the fitted firings at that temperature.
        ridge: Ridge regression on which precursors are in the set, per temperature.
    """

    cells: tuple[YbcoCell, ...]
    measured: Array
    twin: Array
    constant: Array
    ridge: Array

    def at(self, *temperatures_c: float) -> npt.NDArray[np.bool_]:
        """Which firings were at one of these temperatures."""
        return np.array([c.temperature_c in temperatures_c for c in self.cells], dtype=np.bool_)

    def has(self, precursor: str) -> npt.NDArray[np.bool_]:
        """Which firings had this precursor."""
        return np.array([precursor in c.precursors for c in self.cells], dtype=np.bool_)


def in_sample(twin: Twin, fits: Fits, cells: Sequence[YbcoCell], every: int = 1) -> Predicted:
    """Every firing by each ``every``-th member of the fit that saw all."""
    found = yields(twin, fits.fits[ALL].scaled[::every], cells)
    constant, ridge = baselines(cells, cells)
    return Predicted(tuple(cells), _measured(cells), found, constant, ridge)


def out_of_sample(twin: Twin, fits: Fits, cells: Sequence[YbcoCell], every: int = 1) -> Predicted:
    """Every firing by the fits that saw none of its barium sources' sets; two sources: the mean."""
    sums = np.zeros((3, len(cells)))
    times = np.zeros(len(cells))
    for source in BARIUM_SOURCES:
        name = f"without/{source}"
        hidden = left_out(name)
        out = [i for i, c in enumerate(cells) if source in c.barium_sources]
        seen = [c for c in cells if c.group not in hidden]
        asked = [cells[i] for i in out]
        sums[0, out] += yields(twin, fits.fits[name].scaled[::every], asked)
        sums[1:, out] += np.stack(baselines(seen, asked))
        times[out] += 1.0
    means = sums / times
    return Predicted(tuple(cells), _measured(cells), means[0], means[1], means[2])


def yields(twin: Twin, scaled: Array, cells: Sequence[YbcoCell]) -> Array:
    """Mean over members of the target's fraction in a scan, shape ``(n,)``."""
    found = scans(twin, scaled, cells)
    return found[..., twin.phases.index(TARGET)].mean(axis=0)


def scans(twin: Twin, scaled: Array, cells: Sequence[YbcoCell]) -> Array:
    """What a scan reports in each member, shape ``(members, n, S)``."""
    values = scaled * twin.parameters.sd
    fractions = twin.fractions(values, experiments(cells, twin.system))
    return scanned(merged(fractions, twin.phases))


def baselines(seen: Sequence[YbcoCell], asked: Sequence[YbcoCell]) -> tuple[Array, Array]:
    """Constant mean and one-hot ridge, each temperature for itself, shape ``(n,)`` each."""
    constant, ridge = np.zeros(len(asked)), np.zeros(len(asked))
    for temperature_c in sorted({c.temperature_c for c in asked}):
        fitted = [c for c in seen if c.temperature_c == temperature_c]
        rows = [i for i, c in enumerate(asked) if c.temperature_c == temperature_c]
        target = _measured(fitted)
        constant[rows] = target.mean()
        names = sorted({p for c in fitted for p in c.precursors})
        x = _one_hot(fitted, names)
        groups = np.array([c.group for c in fitted])
        best = min(PENALTIES, key=lambda penalty: _inner_error(x, target, groups, penalty))
        new = _one_hot([asked[i] for i in rows], names)
        ridge[rows] = np.clip(_ridge(x, target, new, best), 0.0, 1.0)
    return constant, ridge


def _inner_error(x: Array, y: Array, groups: npt.NDArray[np.str_], penalty: float) -> float:
    total = 0.0
    for group in sorted(set(groups)):
        out = groups == group
        total += float(((_ridge(x[~out], y[~out], x[out], penalty) - y[out]) ** 2).sum())
    return total


def _ridge(x: Array, y: Array, new: Array, penalty: float) -> Array:
    centre, mean = x.mean(axis=0), y.mean()
    square = (x - centre).T @ (x - centre) + penalty * np.eye(x.shape[1])
    weights = np.linalg.solve(square, (x - centre).T @ (y - mean))
    return mean + (new - centre) @ weights


def _one_hot(cells: Sequence[YbcoCell], names: Sequence[str]) -> Array:
    return np.array([[float(n in c.precursors) for n in names] for c in cells]).reshape(
        len(cells), len(names)
    )


def _measured(cells: Sequence[YbcoCell]) -> Array:
    return np.array([c.target_share for c in cells], dtype=np.float64)
