"""Reference profiles on a grid, computed once per (references, grid, instrument)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from numpy.polynomial import chebyshev
from scipy.sparse import csr_matrix

from sdl.analysis.profile import Array, Grid, Instrument, Lines, column, draw, widths
from sdl.analysis.references import ReferenceSet

BACKGROUND_DEGREE = 6
"""Chebyshev degree; leaves less than 0.1 % of the decaying air scatter unfitted."""

_SIZES_NM = (400.0, 250.0, 170.0, 125.0, 95.0, 75.0, 60.0, 47.0, 37.0, 29.0, 22.0, 15.0)
_MARGIN = 8
"""Points drawn beyond each end of the grid, so that columns can be moved."""

_WEAK = 0.01
"""Lines below this share of the strongest carry no intensity error of their own."""


_OFFSETS = np.arange(-2, 4)
_LAGRANGE = np.linalg.inv(np.vander(_OFFSETS, len(_OFFSETS), increasing=True).astype(float))
"""Row k holds the coefficients of u^k of the six cardinal polynomials."""


@dataclass(frozen=True)
class Basis:
    """Everything a fit needs that does not depend on the counts."""

    grid: Grid
    instrument: Instrument
    names: tuple[str, ...]
    nodes: Array
    """Inverse crystallite sizes of the drawn columns, 1/nm, shape ``(k,)``, growing."""
    drawn: Array
    """Columns at the nodes, shape ``(k, n, count + 2 margin)``."""
    polynomials: Array
    """Background, shape ``(degree + 1, count)``."""
    cosine: Array
    """cos theta on the grid, shape ``(count,)``."""
    line_profiles: csr_matrix
    """Strong lines at the typical size, shape ``(lines, count)``."""
    line_phase: npt.NDArray[np.int64]
    """Phase of each strong line, shape ``(lines,)``."""

    @property
    def phase_count(self) -> int:
        """Number of phases ``n``."""
        return len(self.names)

    @property
    def inverse_size_range(self) -> tuple[float, float]:
        """Smallest and largest inverse crystallite size, 1/nm."""
        return float(self.nodes[0]), float(self.nodes[-1])

    @property
    def shift_range_deg(self) -> tuple[float, float]:
        """Largest displacement to either side, degrees."""
        limit = (_MARGIN - 3) * self.grid.step_deg
        return -limit, limit

    @cached_property
    def typical(self) -> tuple[Array, Array]:
        """``columns`` at the typical crystallite size without displacement: where fits start."""
        sizes = np.full(self.phase_count, 1.0 / self.instrument.crystallite_nm)
        return self.columns(sizes, 0.0)

    def columns(self, inverse_sizes: Array, displacement_deg: float) -> tuple[Array, Array]:
        """Columns at given sizes, moved by a displacement.

        Args:
            inverse_sizes: One per phase, 1/nm, shape ``(n,)``.
            displacement_deg: Shift is this times cos theta, degrees.

        Returns:
            Columns and their derivatives by inverse size, both ``(n, count)``.
        """
        last = len(self.nodes) - 2
        below = np.clip(np.searchsorted(self.nodes, inverse_sizes) - 1, 0, last)
        step = self.nodes[below + 1] - self.nodes[below]
        share = ((inverse_sizes - self.nodes[below]) / step)[:, None]
        phases = np.arange(self.phase_count)
        low, high = self.drawn[below, phases], self.drawn[below + 1, phases]
        stacked = np.vstack([low + share * (high - low), (high - low) / step[:, None]])
        moved = self._moved(stacked, displacement_deg)
        return moved[: self.phase_count], moved[self.phase_count :]

    def _moved(self, columns: Array, displacement_deg: float) -> Array:
        """Six-point Lagrange interpolation at ``angle - displacement cos theta``."""
        steps = -displacement_deg * self.cosine / self.grid.step_deg
        whole = np.floor(steps)
        index = (np.arange(self.grid.count) + _MARGIN + whole)[:, None] + _OFFSETS
        powers = np.vander(steps - whole, len(_OFFSETS), increasing=True)
        operator = csr_matrix(
            (
                (powers @ _LAGRANGE).ravel(),
                index.astype(np.int32).ravel(),
                np.arange(0, index.size + 1, len(_OFFSETS), dtype=np.int32),
            ),
            shape=(self.grid.count, columns.shape[1]),
        )
        return np.ascontiguousarray((operator @ np.ascontiguousarray(columns.T)).T)

    def line_response(self, estimator: Array) -> Array:
        """How much each estimate changes when one line grows by its own intensity.

        Args:
            estimator: Rows of the linear estimator, shape ``(n, count)``.

        Returns:
            Shape ``(n, lines)``, for a phase scale of 1.
        """
        return np.asarray((self.line_profiles @ estimator.T).T)


@lru_cache(maxsize=16)
def basis_for(references: ReferenceSet, grid: Grid, instrument: Instrument) -> Basis:
    """The basis of a fit; drawn at the first call with these arguments, then remembered."""
    wide = Grid(grid.start_deg - _MARGIN * grid.step_deg, grid.step_deg, grid.count + 2 * _MARGIN)
    nodes = 1.0 / np.array(_SIZES_NM)
    every = [Lines.of(reference, wide) for reference in references.references]
    drawn = np.array(
        [[column(lines, wide, instrument, float(node)) for lines in every] for node in nodes]
    )
    x = np.linspace(-1.0, 1.0, grid.count)
    profiles, phase = _strong_lines(every, grid, instrument)
    return Basis(
        grid=grid,
        instrument=instrument,
        names=references.names,
        nodes=nodes,
        drawn=drawn,
        polynomials=np.array(chebyshev.chebvander(x, BACKGROUND_DEGREE).T, np.float64, order="C"),
        cosine=np.cos(np.radians(grid.angles_deg) / 2.0),
        line_profiles=profiles,
        line_phase=phase,
    )


def _strong_lines(
    every: list[Lines], grid: Grid, instrument: Instrument
) -> tuple[csr_matrix, npt.NDArray[np.int64]]:
    data, columns, rows, phases = [], [], [], []
    count = 0
    for number, lines in enumerate(every):
        total = lines.intensity.sum(axis=0)
        strong = total >= _WEAK * total.max(initial=0.0)
        centre, intensity = lines.centre_deg[:, strong], lines.intensity[:, strong]
        full, eta = widths(centre, instrument, 1.0 / instrument.crystallite_nm)
        for k in (0, 1):
            index, values = draw(centre[k], full[k], eta[k], grid)
            data.append((values * intensity[k][:, None]).ravel())
            columns.append(index.ravel())
            rows.append((count + np.arange(len(index)))[:, None].repeat(index.shape[1], 1).ravel())
        phases.append(np.full(int(strong.sum()), number))
        count += int(strong.sum())
    shape = (count, grid.count)
    flat = (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns)))
    return csr_matrix(flat, shape=shape), np.concatenate(phases).astype(np.int64)
