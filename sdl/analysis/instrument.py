"""A laboratory diffractometer as numbers: profile, counts, background, differences of mounts."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sdl.core.model import Frozen
from sdl.core.yaml import load

Array = npt.NDArray[np.float64]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]

BACKGROUND_FROM_DEG = 10.0
"""Angle 2theta at which the rate of air scatter is stated."""

FULL_SCAN_DEG = 90.0
"""The duration of a scan is spread over this range; a shorter grid takes its share of it."""


class Instrument(Frozen):
    """Constants of the observation model; ``data/aeris.yaml`` says where each comes from.

    The simulation draws what differs between mounts, the fit allows for it.
    """

    caglioti_u_deg2: float
    """Gaussian half width squared is U tan^2 theta + V tan theta + W."""
    caglioti_v_deg2: float
    caglioti_w_deg2: float
    lorentz_deg: NotNegative
    """Instrumental part of the Lorentzian half width."""
    asymmetry: NotNegative
    """The low-angle half of a line is wider, the other narrower, by this times cot 2theta (axial
    divergence)."""
    spread_deg2: NotNegative
    """Mean over mounts of what an uneven surface adds to the Gaussian half width squared, times
    cos^2 theta; exponentially distributed."""
    crystallite_nm: Positive
    """Typical crystallite size."""
    crystallite_ln_sd: NotNegative
    """Variation of the logarithm of the crystallite size about its typical value."""
    k_beta: NotNegative
    """Intensity of what the filter leaves of K-beta over that of both K-alpha."""
    footprint: Positive
    """Lines are weaker by 1 - exp(-sin theta / footprint) at low angles: the beam is longer than
    the powder, and its surface is rough."""
    displacement_deg: float
    """Mean shift of all lines by the height of the sample, times cos theta."""
    displacement_sd_deg: NotNegative
    line_rate: Positive
    """Counts per minute in a line (both K-alpha) for ``w * intensity / mu = 1``, full beam."""
    illuminated: Annotated[float, Field(gt=0, le=1)]
    """Share of the beam that meets the powder: 1 in a full cup, less for an aliquot."""
    air_rate_per_deg: NotNegative
    """Air scatter at 10 degrees 2theta, counts per minute and degree, full beam."""
    air_decay_deg: Positive
    """The air scatter falls by a factor e over this angle."""
    flat_rate_per_deg: NotNegative
    """Flat background: fluorescence and diffuse scatter, counts per minute and degree."""
    background_ln_sd: NotNegative
    """Variation of the logarithm of each part of the background between mounts."""
    line_sd: NotNegative
    """Relative error of each line: few grains in reflection, structure model, profile."""
    phase_sd: NotNegative
    """Relative error of all lines of a phase beside microabsorption: structure, packing, purity."""
    grain_um: NotNegative
    """Diameter of the grains that absorb (Brindley), typical."""
    grain_ln_sd: NotNegative
    """Variation of its logarithm between the phases of a mixture."""
    cell_sd: NotNegative
    """Relative error of each free length of a cell against the structure file."""
    texture_ln_sd: NotNegative
    """Of ln r of March and Dollase, for phases with a texture axis."""

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def scale(self, scan_min: float) -> float:
        """Counts in a line for ``w * intensity / mu = 1``."""
        return self.line_rate * self.illuminated * scan_min

    def background_parts(
        self, angles_deg: Array, step_deg: float, scan_min: float
    ) -> tuple[Array, Array]:
        """Air scatter and flat background, counts per point, each of the shape of the angles."""
        per_point = scan_min * step_deg * self.illuminated
        air = np.exp(-(angles_deg - BACKGROUND_FROM_DEG) / self.air_decay_deg)
        flat = np.full(angles_deg.shape, self.flat_rate_per_deg * per_point)
        return self.air_rate_per_deg * per_point * air, flat


class InstrumentFile(Frozen):
    """``data/aeris.yaml``: the constants and where they come from."""

    source: str
    command: str
    instrument: Instrument


@lru_cache(maxsize=1)
def default_instrument() -> Instrument:
    """The calibrated diffractometer.

    Raises:
        ConfigError: Its data file is missing or wrong.
    """
    path = Path(str(resources.files("sdl.analysis").joinpath("data", "aeris.yaml")))
    return load(path, InstrumentFile, "the constants of the diffractometer").instrument
