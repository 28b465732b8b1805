"""Structures of all chemical systems, and which of them a fit without it has missed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from sdl.analysis.columns import draw_phase, phase_lines, shape_of
from sdl.analysis.instrument import Instrument
from sdl.analysis.profile import Array, Grid, typical_mount
from sdl.analysis.references import Reference, StickFile
from sdl.analysis.residual import residual_of
from sdl.analysis.setting import Setting
from sdl.analysis.state import State

SIGNIFICANCE = 4.5
"""A structure is recognised when its amount exceeds this many standard deviations."""

LEAST_SHARE = 0.015
"""It must be at least this part of the crystalline weight: powders as bought hold less of others
(rutile in anatase)."""

_LEAST_KEPT = 0.05
"""Structures that the known phases imitate better than this are not told from them."""


@dataclass(frozen=True)
class Match:
    """A structure that is not in the reference set and explains some of what the set does not."""

    name: str
    """The best match. A phase that is in no library may be taken for another one."""
    share: float
    """Estimated weight fraction of the crystalline part, 0-1, without microabsorption."""
    significance: float
    """Its amount over the standard deviation by counts and model errors."""

    @property
    def sure(self) -> bool:
        """Whether the sample holds this structure or one much like it."""
        return self.significance > SIGNIFICANCE


@lru_cache(maxsize=1)
def library() -> tuple[Reference, ...]:
    """Every structure of every shipped system, one of each name."""
    folder = resources.files("sdl.chemistry").joinpath("data")
    files = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sticks.json"))
    found: dict[str, Reference] = {}
    for name in files:
        text = folder.joinpath(name).read_text(encoding="utf-8")
        for reference in StickFile.model_validate_json(text).references:
            found.setdefault(reference.name, reference)
    return tuple(found.values())


def best_match(
    observed: Array,
    state: State,
    setting: Setting,
    candidates: tuple[Reference, ...] | None = None,
) -> Match | None:
    """Adds each structure of the library to a fit, one at a time.

    All lines of a structure count together, so that a few weight per cent of a weak scatterer show
    where none of its lines does.

    Args:
        observed: Counts, shape ``(count,)``.
        state: Of the fit.
        setting: Of the fit; phases of its reference set are left out by name.
        candidates: The library; that of all systems if ``None``.

    Returns:
        The most significant structure of at least ``LEAST_SHARE``, if there is one; chance and
        model errors alone give some up to ``SIGNIFICANCE``.
    """
    every = library() if candidates is None else candidates
    known = set(setting.references.names)
    kept = [k for k, reference in enumerate(every) if reference.name not in known]
    if not kept:
        return None
    columns = _columns(every, setting.grid, setting.instrument)[kept]
    columns = _moved(columns, setting, state.mount.displacement_deg)
    amount, sd, own = residual_of(observed, state, setting).amounts(columns)
    amount = np.maximum(amount, 0.0)
    share = amount / np.maximum(amount + state.scales.sum(), 1e-300)
    score = np.where((share > LEAST_SHARE) & (own > _LEAST_KEPT), amount / sd, 0.0)
    best = int(score.argmax())
    if score[best] <= 0.0:
        return None
    return Match(every[kept[best]].name, float(share[best]), float(score[best]))


@lru_cache(maxsize=8)
def _columns(every: tuple[Reference, ...], grid: Grid, instrument: Instrument) -> Array:
    """Patterns of typical look in the typical mount, shape ``(structures, count)``."""
    mount, rows = typical_mount(instrument), []
    for reference in every:
        lines = phase_lines(reference)
        shape = shape_of(instrument, lines)
        rows.append(draw_phase(lines, grid, instrument, mount, shape, slopes=False).column)
    columns = np.array(rows)
    columns.flags.writeable = False
    return columns


def _moved(columns: Array, setting: Setting, displacement_deg: float) -> Array:
    """The same patterns at another height of the sample, by interpolation."""
    grid = setting.grid
    away = displacement_deg - setting.instrument.displacement_deg
    steps = away * np.cos(np.radians(0.5 * grid.angles_deg)) / grid.step_deg
    at = np.clip(np.arange(grid.count) - steps, 0.0, grid.count - 1.001)
    low = at.astype(np.int64)
    part = at - low
    return columns[:, low] * (1.0 - part) + columns[:, low + 1] * part
