"""Everything a fit needs that does not depend on the counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev

from sdl.analysis.columns import PhaseLines, draw_phase, phase_lines, shape_of
from sdl.analysis.instrument import BACKGROUND_FROM_DEG, Instrument
from sdl.analysis.profile import Array, Grid, Mount
from sdl.analysis.references import ReferenceSet

DEG_PER_DEGREE = 6.0
"""The background polynomial has one degree for this range of angles, and three more."""

HUMP_DEG = (24.0, 5.0)
"""Centre and standard deviation of the hump of amorphous matter and of a glass holder."""

MOUNT_STEP_DEG = 0.02
"""Typical columns are remembered at displacements this far apart."""

_STEEP_DEG = 4.0
"""Decay of the scatter next to the direct beam."""


@dataclass(frozen=True)
class Setting:
    """Grid, instrument, phases and background of a fit."""

    grid: Grid
    instrument: Instrument
    references: ReferenceSet
    lines: tuple[PhaseLines, ...]
    background: Array
    """Chebyshev polynomials, steep scatter, amorphous hump, shape ``(m, count)``."""
    remembered: dict[int, Array] = field(default_factory=dict, repr=False, compare=False)
    """``typical`` by displacement in steps of ``MOUNT_STEP_DEG``."""

    @property
    def phase_count(self) -> int:
        """Number of phases ``n``."""
        return len(self.lines)

    def typical(self, displacement_deg: float) -> Array:
        """Columns of phases of typical look near a displacement, shape ``(n, count)``."""
        steps = round(displacement_deg / MOUNT_STEP_DEG)
        if steps not in self.remembered:
            mount = Mount(steps * MOUNT_STEP_DEG, self.instrument.spread_deg2)
            columns = np.array([self._typical(lines, mount) for lines in self.lines])
            columns.flags.writeable = False
            self.remembered[steps] = columns
        return self.remembered[steps]

    def _typical(self, lines: PhaseLines, mount: Mount) -> Array:
        shape = shape_of(self.instrument, lines)
        return draw_phase(lines, self.grid, self.instrument, mount, shape, slopes=False).column


@lru_cache(maxsize=32)
def setting_for(references: ReferenceSet, grid: Grid, instrument: Instrument) -> Setting:
    """The setting of a fit; made at the first call with these arguments, then remembered."""
    angles = grid.angles_deg
    degree = 3 + round(grid.step_deg * grid.count / DEG_PER_DEGREE)
    smooth = chebyshev.chebvander(np.linspace(-1.0, 1.0, grid.count), degree).T
    centre, sd = HUMP_DEG
    extra = [np.exp(-0.5 * ((angles - centre) / sd) ** 2)]
    if angles[0] < BACKGROUND_FROM_DEG + _STEEP_DEG:
        extra.append(np.exp(-(angles - BACKGROUND_FROM_DEG) / _STEEP_DEG))
    return Setting(
        grid=grid,
        instrument=instrument,
        references=references,
        lines=tuple(phase_lines(reference) for reference in references.references),
        background=np.array(np.vstack([smooth, *extra]), np.float64, order="C"),
    )
