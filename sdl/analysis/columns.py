"""The pattern of one phase for a scale of 1, with its slopes by what a fit may change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from sdl.analysis.instrument import Instrument
from sdl.analysis.lattice import axis_cosine2, march_dollase, strain_shares
from sdl.analysis.profile import Array, Grid, IntArray, Mount, Points, draw
from sdl.analysis.references import K_ALPHA_2_RATIO, K_BETA_ANGSTROM, WAVELENGTH_ANGSTROM, Reference

_WINDOWS_DEG = ((0.15, 2.4), (0.03, 1.0), (0.0, 0.5))
"""Lines of at least this share of the strongest are drawn this far to both sides."""

_STILL_WINDOW_DEG = 0.5
"""Lines drawn no farther than this are too weak to need slopes."""

_NUDGE_DEG = 0.01
_NUDGE_SPREAD_DEG2 = 0.01
_NUDGE_LN = 0.3
_NUDGE_STRAIN = 2e-4
"""Changes that slopes can stand for, without drawing again."""

_WAVES = np.array([*WAVELENGTH_ANGSTROM, K_BETA_ANGSTROM])
_LAST_SINE = 0.999


@dataclass(frozen=True)
class PhaseLines:
    """The lines of one phase, strongest first."""

    spacing: Array
    """d, angstrom, shape ``(n,)``."""
    intensity: Array
    """``Reference.intensity``, shape ``(n,)``."""
    shares: Array
    """``strain_shares``, shape ``(n, lengths)``."""
    cosine2: Array | None
    """``axis_cosine2``, shape ``(n,)``."""
    classes: tuple[tuple[slice, float], ...]
    """Which lines are drawn how far, degrees."""

    @property
    def lengths(self) -> int:
        """Number of free lengths of the cell."""
        return self.shares.shape[1]


@lru_cache(maxsize=512)
def phase_lines(reference: Reference) -> PhaseLines:
    """The lines of a reference with all that does not depend on a scan."""
    intensity = np.array(reference.intensity)
    order = np.argsort(-intensity, kind="stable")
    shares, cosine2 = strain_shares(reference)[order], axis_cosine2(reference)
    relative = intensity[order] / intensity.max()
    ends = [0, *(int((relative >= least).sum()) for least, _ in _WINDOWS_DEG)]
    classes = tuple(
        (slice(low, high), window)
        for low, high, (_, window) in zip(ends[:-1], ends[1:], _WINDOWS_DEG, strict=True)
        if high > low
    )
    return PhaseLines(
        spacing=np.array(reference.d_angstrom)[order],
        intensity=intensity[order],
        shares=shares,
        cosine2=None if cosine2 is None else cosine2[order],
        classes=classes,
    )


@dataclass(frozen=True)
class Shape:
    """What one phase looks like in one mount."""

    inverse_size_per_nm: float
    strains: Array
    """Relative change of each free length of the cell, shape ``(lengths,)``."""
    ln_texture: float = 0.0
    """ln of the March parameter."""


@dataclass(frozen=True)
class Drawn:
    """A column and its slopes, each of shape ``(count,)`` or ``(lengths, count)``."""

    column: Array
    by_displacement: Array
    by_spread: Array
    by_ln_size: Array
    by_strain: Array
    by_texture: Array | None
    mount: Mount
    """Where the slopes belong."""
    shape: Shape
    parts: tuple[tuple[int, IntArray, Array], ...] = field(repr=False)
    """Number of wavelengths, grid points of the lines and their values, strength included; the
    arrays of shape ``(wavelengths x lines, window)``."""

    def line_response(self, estimator: Array) -> Array:
        """How much each estimate changes when one line doubles, shape ``(estimates, lines)``.

        Args:
            estimator: Rows of a linear estimator, shape ``(estimates, count)``.
        """
        found = []
        for waves, index, values in self.parts:
            each = (estimator[:, index] * values[None]).sum(axis=2)
            found.append(each.reshape(len(estimator), waves, -1).sum(axis=1))
        return np.hstack(found)

    def line_profiles(self, factor: float, variance: Array, least: float) -> list[Array]:
        """Patterns of single lines, all their wavelengths, times a factor.

        Args:
            factor: On all of them.
            variance: Of the points, shape ``(count,)``.
            least: Lines whose strongest wavelength has a smaller sum of squares over the variance
                are left out.

        Returns:
            Per part of the pattern an array of shape ``(lines, count)``.
        """
        found = []
        for waves, index, values in self.parts:
            lines = len(index) // waves
            worth = (values[:lines] ** 2 / variance[index[:lines]]).sum(axis=1) * factor**2
            kept = np.flatnonzero(worth > least)
            every = (kept[None, :] + lines * np.arange(waves)[:, None]).ravel()
            place = np.tile(np.arange(len(kept)), waves)[:, None] * len(variance) + index[every]
            size = len(kept) * len(variance)
            rows = np.bincount(place.ravel(), factor * values[every].ravel(), minlength=size)
            found.append(rows.reshape(len(kept), len(variance)))
        return found

    def nudged(self, mount: Mount, shape: Shape) -> Drawn | None:
        """The same lines a little further on, by slopes; ``None`` where that is too far."""
        shift = mount.displacement_deg - self.mount.displacement_deg
        spread = mount.spread_deg2 - self.mount.spread_deg2
        growth = float(np.log(shape.inverse_size_per_nm / self.shape.inverse_size_per_nm))
        strains = shape.strains - self.shape.strains
        turn = shape.ln_texture - self.shape.ln_texture
        far = abs(shift) / _NUDGE_DEG + abs(spread) / _NUDGE_SPREAD_DEG2 + abs(growth) / _NUDGE_LN
        far += float(np.abs(strains).max()) / _NUDGE_STRAIN + abs(turn) / _NUDGE_LN
        if far > 1.0:
            return None
        column = (
            self.column
            + shift * self.by_displacement
            + spread * self.by_spread
            + growth * self.by_ln_size
            + strains @ self.by_strain
        )
        if self.by_texture is not None:
            column += turn * self.by_texture
        return replace(self, column=np.maximum(column, 0.0))


def shape_of(instrument: Instrument, lines: PhaseLines) -> Shape:
    """The typical look of a phase."""
    return Shape(1.0 / instrument.crystallite_nm, np.zeros(lines.lengths))


def draw_phase(
    lines: PhaseLines,
    grid: Grid,
    instrument: Instrument,
    mount: Mount,
    shape: Shape,
    *,
    grains: Array | None = None,
    slopes: bool = True,
) -> Drawn:
    """Draws one phase.

    Args:
        lines: Its lines.
        grid: Where to draw.
        instrument: The diffractometer.
        mount: Of this scan.
        shape: Of this phase.
        grains: Factor on the intensity of each line in the order of ``lines``, shape ``(n,)``.
        slopes: Whether slopes are wanted; zeros stand for them if not.
    """
    spacing = lines.spacing * np.exp(lines.shares @ shape.strains)
    texture = None
    if lines.cosine2 is not None:
        texture = march_dollase(lines.cosine2, shape.ln_texture)
    totals = np.zeros((5 + lines.lengths, grid.count))
    parts = []
    for which, window in lines.classes:
        rays = _rays(lines, spacing[which], which, window, instrument, mount)
        strength = rays.strength if grains is None else rays.strength * grains[None, which]
        bare = strength
        if texture is not None:
            strength = strength * texture[0][None, which]
        bent = slopes and window > _STILL_WINDOW_DEG
        centre, theta = rays.centre.ravel(), rays.theta.ravel()
        points = draw(
            centre, theta, mount, shape.inverse_size_per_nm, instrument, grid, window, slopes=bent
        )
        parts.append((len(strength), points.index, points.values * strength.ravel()[:, None]))
        rows = [(points.values, strength)]
        if bent:
            lengths = np.degrees(-2.0 * np.tan(rays.theta))[:, :, None] * lines.shares[which][None]
            turned = bare * texture[1][None, which] if texture is not None else None
            rows += _slopes(points, strength, np.cos(rays.theta), lengths, turned)
        _add_up(rows, points.index, totals)
    return Drawn(
        column=totals[0],
        by_displacement=totals[1],
        by_spread=totals[2],
        by_ln_size=totals[3],
        by_strain=totals[4 : 4 + lines.lengths],
        by_texture=totals[-1] if texture is not None else None,
        mount=mount,
        shape=shape,
        parts=tuple(parts),
    )


class _Rays(NamedTuple):
    """Lines times wavelengths; every array of shape ``(wavelengths, lines)``."""

    theta: Array
    """Half the angle between the beams, radians."""
    centre: Array
    """Where the line is drawn, degrees of two theta."""
    strength: Array
    """Before texture and grains; 0 where a line has no angle."""


def _rays(
    lines: PhaseLines,
    spacing: Array,
    which: slice,
    window: float,
    instrument: Instrument,
    mount: Mount,
) -> _Rays:
    """The lines of one class, of these spacings, at each wavelength of the tube."""
    # K-beta shows of strong lines only.
    waves = _WAVES if window == _WINDOWS_DEG[0][1] and instrument.k_beta else _WAVES[:2]
    sine = waves[:, None] / (2.0 * spacing[None])
    seen = np.where(sine < _LAST_SINE, 1.0, 0.0)
    theta = np.arcsin(np.minimum(sine, _LAST_SINE))
    split = np.array([1.0, K_ALPHA_2_RATIO, instrument.k_beta * (1.0 + K_ALPHA_2_RATIO)])
    split = split[: len(waves), None] / (1.0 + K_ALPHA_2_RATIO)
    strength = split * lines.intensity[None, which] * seen
    strength *= 1.0 - np.exp(-np.sin(theta) / instrument.footprint)
    centre = 2.0 * np.degrees(theta) + mount.displacement_deg * np.cos(theta)
    return _Rays(theta, centre, strength)


def _add_up(rows: list[tuple[Array, Array]], index: IntArray, totals: Array) -> None:
    """Adds values times factors to the points of the grid, each row to its own of ``totals``."""
    flat = index.ravel()
    for k, (values, factor) in enumerate(rows):
        weighed = (values * factor.reshape(-1, 1)).ravel()
        totals[k] += np.bincount(flat, weights=weighed, minlength=totals.shape[1])


def _slopes(
    points: Points, strength: Array, cosine: Array, lengths: Array, turned: Array | None
) -> list[tuple[Array, Array]]:
    """Arrays to add up over the lines, in the order of ``Drawn``, with their factors."""
    rows = [
        (points.by_centre, strength * cosine),
        (points.by_spread, strength),
        (points.by_ln_size, strength),
    ]
    rows += [(points.by_centre, strength * lengths[:, :, k]) for k in range(lengths.shape[2])]
    return rows if turned is None else [*rows, (points.values, turned)]
