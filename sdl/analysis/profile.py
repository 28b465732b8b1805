"""Shape of a pattern: grid, instrument, background, and lines drawn as pseudo-Voigt doublets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdl.analysis.references import K_ALPHA_2_RATIO, WAVELENGTH_ANGSTROM, Reference
from sdl.core.errors import ConfigError

Array = npt.NDArray[np.float64]

SCHERRER = 0.9
"""Shape factor of the Scherrer equation."""

WINDOW_DEG = 2.0
"""A line is drawn this far to both sides; the Lorentzian tail beyond holds about 1 % of it."""


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


@dataclass(frozen=True)
class Instrument:
    """A laboratory diffractometer and how its mounts differ from one another.

    Defaults follow the 40 mixture scans of a Malvern Panalytical Aeris (Cu, 40 kV, 15 mA, linear
    detector) in CederGroupHub/dara (MIT): half widths 0.16-0.20 degrees, background of the samples
    without fluorescence, lines displaced by up to 0.1 degrees. The last five fields are errors a
    single scan cannot average out; the simulation draws them and the fit allows for them.
    """

    caglioti_u_deg2: float = 0.006
    """Gaussian half width squared is U tan^2 theta + V tan theta + W."""
    caglioti_v_deg2: float = -0.008
    caglioti_w_deg2: float = 0.018
    lorentz_deg: float = 0.03
    """Instrumental part of the Lorentzian half width."""
    crystallite_nm: float = 120.0
    """Typical crystallite size."""
    line_rate: float = 3.7e5
    """Counts per minute in a line (both K-alpha) for ``w * intensity / mu = 1``, full beam."""
    illuminated: float = 0.3
    """Share of the beam that meets the powder. The Aeris scans are of full cups; an aliquot of some
    tens of milligrams is less, chosen so that rutile in BaTiO3 is found from about 2 wt% in 2
    minutes and 1 wt% in 8."""
    air_rate_per_deg: float = 11_500.0
    """Air scatter at 14 degrees 2theta, counts per minute and degree, full beam."""
    air_decay_deg: float = 13.0
    """The air scatter falls by a factor e over this angle."""
    flat_rate_per_deg: float = 3_800.0
    """Flat background: fluorescence and diffuse scatter, counts per minute and degree."""
    displacement_sd_deg: float = 0.03
    """Shift of all lines by the height of the sample, times cos theta."""
    background_sd: float = 0.1
    """Relative variation of each part of the background."""
    crystallite_ln_sd: float = 0.25
    """Variation of the logarithm of the crystallite size about its typical value."""
    line_sd: float = 0.03
    """Relative error of each line: few grains in reflection, texture, structure model."""
    phase_sd: float = 0.02
    """Relative error of all lines of a phase: microabsorption, packing."""

    def scale(self, scan_min: float) -> float:
        """Counts in a line for ``w * intensity / mu = 1``."""
        return self.line_rate * self.illuminated * scan_min

    def background(self, grid: Grid, scan_min: float) -> Array:
        """Expected background of a typical mount, counts per point, shape ``(count,)``."""
        air, flat = self.background_parts(grid, scan_min)
        return air + flat

    def background_parts(self, grid: Grid, scan_min: float) -> tuple[Array, Array]:
        """Air scatter and flat background, counts per point, each of shape ``(count,)``."""
        per_point = scan_min * grid.step_deg * self.illuminated
        air = np.exp(-(grid.angles_deg - 14.0) / self.air_decay_deg)
        return (
            self.air_rate_per_deg * per_point * air,
            np.full(grid.count, self.flat_rate_per_deg * per_point),
        )


DEFAULT_INSTRUMENT = Instrument()


@dataclass(frozen=True)
class Lines:
    """The lines of one phase that reach into a grid, K-alpha 1 and 2 apart."""

    centre_deg: Array
    """Angle 2theta, shape ``(2, n)``."""
    intensity: Array
    """Share of ``Reference.intensity`` that falls on each, shape ``(2, n)``."""

    @classmethod
    def of(cls, reference: Reference, grid: Grid) -> Lines:
        """The lines of a reference within the grid and a window beyond it."""
        spacing = np.array(reference.d_angstrom)
        sines = np.array(WAVELENGTH_ANGSTROM)[:, None] / (2.0 * spacing[None, :])
        seen = sines[1] < 1.0
        centre = 2.0 * np.degrees(np.arcsin(sines[:, seen]))
        split = np.array([1.0, K_ALPHA_2_RATIO])[:, None] / (1.0 + K_ALPHA_2_RATIO)
        intensity = split * np.array(reference.intensity)[seen][None, :]
        end = grid.start_deg + grid.step_deg * grid.count
        near = (centre[0] > grid.start_deg - WINDOW_DEG) & (centre[0] < end + WINDOW_DEG)
        return cls(centre[:, near], intensity[:, near])


def widths(
    centre_deg: Array, instrument: Instrument, inverse_size_per_nm: float
) -> tuple[Array, Array]:
    """Half width and Lorentzian share of lines (Thompson, Cox and Hastings, 1987).

    Args:
        centre_deg: Angles 2theta, any shape.
        instrument: Gaussian (Caglioti) and constant Lorentzian width.
        inverse_size_per_nm: One over the crystallite size (Scherrer), 1/nm.

    Returns:
        Full width at half maximum, degrees, and the Lorentzian share eta, of the same shape.
    """
    theta = np.radians(centre_deg) / 2.0
    tangent = np.tan(theta)
    gauss = np.sqrt(
        instrument.caglioti_u_deg2 * tangent**2
        + instrument.caglioti_v_deg2 * tangent
        + instrument.caglioti_w_deg2
    )
    wavelength_nm = WAVELENGTH_ANGSTROM[0] / 10.0
    size = np.degrees(SCHERRER * wavelength_nm * inverse_size_per_nm) / np.cos(theta)
    lorentz = instrument.lorentz_deg + size
    powers = (1.0, 2.69269, 2.42843, 4.47163, 0.07842, 1.0)
    fifth = sum(
        (p * gauss ** (5 - k) * lorentz**k for k, p in enumerate(powers)), np.zeros_like(gauss)
    )
    full = fifth**0.2
    share = lorentz / full
    return full, 1.36603 * share - 0.47719 * share**2 + 0.11116 * share**3


def draw(
    centre_deg: Array, full_deg: Array, eta: Array, grid: Grid
) -> tuple[npt.NDArray[np.int64], Array]:
    """Pseudo-Voigt profiles of unit area in windows about their centres.

    Args:
        centre_deg: Angles 2theta, shape ``(n,)``.
        full_deg: Full widths at half maximum, degrees, shape ``(n,)``.
        eta: Lorentzian shares, shape ``(n,)``.
        grid: Where to draw.

    Returns:
        Grid indices and values per point (area 1 sums to 1), both ``(n, window)``; points outside
        the grid carry index 0 and value 0.
    """
    half = round(WINDOW_DEG / grid.step_deg)
    nearest = np.rint((centre_deg - grid.start_deg) / grid.step_deg).astype(np.int64)
    index = nearest[:, None] + np.arange(-half, half + 1)[None, :]
    scaled = (grid.start_deg + grid.step_deg * index - centre_deg[:, None]) / full_deg[:, None]
    square = scaled * scaled
    gauss = 2.0 * np.sqrt(np.log(2.0) / np.pi) * np.exp(-4.0 * np.log(2.0) * square)
    lorentz = (2.0 / np.pi) / (1.0 + 4.0 * square)
    values = (eta[:, None] * lorentz + (1.0 - eta[:, None]) * gauss) * (
        grid.step_deg / full_deg[:, None]
    )
    outside = (index < 0) | (index >= grid.count)
    values[outside] = 0.0
    index[outside] = 0
    return index, values


def column(
    lines: Lines,
    grid: Grid,
    instrument: Instrument,
    inverse_size_per_nm: float,
    *,
    displacement_deg: float = 0.0,
    grains: Array | None = None,
) -> Array:
    """Pattern of one phase for a scale of 1.

    Args:
        lines: Lines of the phase.
        grid: Where to draw.
        instrument: Widths.
        inverse_size_per_nm: One over the crystallite size, 1/nm.
        displacement_deg: All lines are moved by this times cos theta, degrees.
        grains: Factor on the intensity of each line, shape ``(n,)``.

    Returns:
        Shape ``(count,)``.
    """
    centre = lines.centre_deg
    if displacement_deg != 0.0:
        centre = centre + displacement_deg * np.cos(np.radians(centre) / 2.0)
    full, eta = widths(centre, instrument, inverse_size_per_nm)
    index, values = draw(centre.ravel(), full.ravel(), eta.ravel(), grid)
    strength = lines.intensity if grains is None else lines.intensity * grains[None, :]
    values *= strength.ravel()[:, None]
    drawn = np.bincount(index.ravel(), weights=values.ravel(), minlength=grid.count)
    return drawn.astype(np.float64, copy=False)
