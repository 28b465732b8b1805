"""Shape of a pattern: grid, and lines drawn as asymmetric pseudo-Voigt doublets with slopes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.analysis.instrument import Instrument, default_instrument
from sdl.analysis.references import WAVELENGTH_ANGSTROM
from sdl.core.errors import ConfigError

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

SCHERRER = 0.9
"""Shape factor of the Scherrer equation."""

_WORST_ASYMMETRY = 0.4
_LN4 = 4.0 * np.log(2.0)
_GAUSS = 2.0 * np.sqrt(np.log(2.0) / np.pi)
_LORENTZ = 2.0 / np.pi
_STEP_LN_SIZE = 0.01
_STEP_SPREAD_DEG2 = 1e-3
_LEAST_GAUSS_DEG2 = 1e-3


@dataclass(frozen=True)
class Grid:
    """Equally spaced angles 2theta."""

    start_deg: float
    step_deg: float
    count: int

    def __post_init__(self) -> None:
        if not (
            self.start_deg >= 5.0
            and 0.001 <= self.step_deg <= 0.2
            and self.count >= 50
            and self.start_deg + self.step_deg * self.count <= 160.0
        ):
            raise ConfigError(
                "this is not a usable grid of angles",
                got=f"start {self.start_deg}, step {self.step_deg}, count {self.count}",
                allowed="start >= 5, step 0.001-0.2, count >= 50, end <= 160 degrees",
                do="correct the grid",
            )

    @property
    def angles_deg(self) -> Array:
        """Angles 2theta, degrees, shape ``(count,)``."""
        return self.start_deg + self.step_deg * np.arange(self.count, dtype=np.float64)


DEFAULT_GRID = Grid(start_deg=15.0, step_deg=0.03, count=2001)
"""15-75 degrees; five to six points over the half width of a line."""

DEFAULT_INSTRUMENT = default_instrument()
"""The calibrated diffractometer, ``data/aeris.yaml``."""


@dataclass(frozen=True)
class Mount:
    """How one powder lies in the beam."""

    displacement_deg: float
    """Shift of the lines by the height of the sample, times cos theta."""
    spread_deg2: float
    """What its uneven surface adds to the Gaussian half width squared, times cos^2 theta."""


def typical_mount(instrument: Instrument) -> Mount:
    """The mean mount of an instrument."""
    return Mount(instrument.displacement_deg, instrument.spread_deg2)


@dataclass(frozen=True)
class Points:
    """Lines drawn on a grid: every array has shape ``(lines, window)``."""

    index: IntArray
    """Grid points; 0 outside the grid."""
    values: Array
    """Profile of unit area (its points sum to 1); 0 outside the grid."""
    by_centre: Array
    """Slope of ``values`` by the centre, per degree."""
    by_ln_size: Array
    """Slope by the logarithm of the inverse crystallite size."""
    by_spread: Array
    """Slope by ``Mount.spread_deg2``."""


def widths(
    theta: Array, instrument: Instrument, spread_deg2: float, inverse_size_per_nm: float
) -> tuple[Array, Array]:
    """Half width and Lorentzian share of lines (Thompson, Cox and Hastings, 1987; recalled).

    Args:
        theta: Half the angle, radians, any shape.
        instrument: Gaussian (Caglioti) and constant Lorentzian width.
        spread_deg2: Of the mount.
        inverse_size_per_nm: One over the crystallite size (Scherrer), 1/nm.

    Returns:
        Full width at half maximum, degrees, and the Lorentzian share eta, of the same shape.
    """
    tangent, cosine = np.tan(theta), np.cos(theta)
    square = (
        instrument.caglioti_u_deg2 * tangent**2
        + instrument.caglioti_v_deg2 * tangent
        + instrument.caglioti_w_deg2
        + spread_deg2 * cosine**2
    )
    gauss = np.sqrt(np.maximum(square, _LEAST_GAUSS_DEG2))
    wavelength_nm = WAVELENGTH_ANGSTROM[0] / 10.0
    lorentz = (
        instrument.lorentz_deg + np.degrees(SCHERRER * wavelength_nm * inverse_size_per_nm) / cosine
    )
    powers = (1.0, 2.69269, 2.42843, 4.47163, 0.07842, 1.0)
    ratio = lorentz / gauss
    full = gauss * np.polynomial.polynomial.polyval(ratio, powers) ** 0.2
    share = lorentz / full
    return full, 1.36603 * share - 0.47719 * share**2 + 0.11116 * share**3


def draw(
    centre_deg: Array,
    theta: Array,
    mount: Mount,
    inverse_size_per_nm: float,
    instrument: Instrument,
    grid: Grid,
    window_deg: float,
    *,
    slopes: bool,
) -> Points:
    """Asymmetric pseudo-Voigt profiles in windows about their centres.

    Args:
        centre_deg: Where the lines stand, degrees 2theta, shape ``(n,)``.
        theta: Half their angle before displacement, radians, for their widths, shape ``(n,)``.
        mount: For the width.
        inverse_size_per_nm: One over the crystallite size, 1/nm.
        instrument: Widths and asymmetry.
        grid: Where to draw.
        window_deg: How far to both sides.
        slopes: Whether slopes are wanted; zeros stand for them if not.
    """
    size, spread = inverse_size_per_nm, mount.spread_deg2
    full, eta = (a[:, None] for a in widths(theta, instrument, spread, size))
    half = int(window_deg / grid.step_deg)
    nearest = np.rint((centre_deg - grid.start_deg) / grid.step_deg).astype(np.int64)
    index = nearest[:, None] + np.arange(-half, half + 1)[None, :]
    away = grid.start_deg + grid.step_deg * index - centre_deg[:, None]
    bend = np.clip(instrument.asymmetry / np.tan(2.0 * theta), 0.0, _WORST_ASYMMETRY)[:, None]
    wide = full * np.where(away < 0.0, 1.0 + bend, 1.0 - bend)
    u = away / wide
    gauss = _GAUSS * np.exp(-_LN4 * u * u)
    tail = 1.0 / (1.0 + 4.0 * u * u)
    lorentz = _LORENTZ * tail
    unit = grid.step_deg / full
    values = (eta * lorentz + (1.0 - eta) * gauss) * unit
    outside = (index < 0) | (index >= grid.count)
    if outside.any():
        values[outside] = 0.0
        index[outside] = 0
    if not slopes:
        return Points(index, values, values, values, values)
    by_u = -(8.0 * u) * (eta * lorentz * tail + (1.0 - eta) * (_LN4 / 4.0) * gauss) * unit
    by_full = -(values + u * by_u) / full
    by_eta = (lorentz - gauss) * unit
    turned = []
    for other, step in (
        (widths(theta, instrument, spread, size * np.exp(_STEP_LN_SIZE)), _STEP_LN_SIZE),
        (widths(theta, instrument, spread + _STEP_SPREAD_DEG2, size), _STEP_SPREAD_DEG2),
    ):
        turned.append(
            by_full * (other[0][:, None] - full) / step + by_eta * (other[1][:, None] - eta) / step
        )
    by_centre = -by_u / wide
    for slope in (by_centre, *turned):
        slope[outside] = 0.0
    return Points(index, values, by_centre, turned[0], turned[1])
