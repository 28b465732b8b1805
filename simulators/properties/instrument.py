"""How properties are read: noise, the laboratory's own calibration error, what is no reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np

from sdl.analysis.arrhenius import BOLTZMANN_EV_PER_K, fit_arrhenius
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.seeds import generator
from simulators.properties.cell import Cell, at_temperatures, measure_conductivities
from simulators.properties.constants import Values
from simulators.properties.electrolyte import ELECTROLYTES, sweep_k
from simulators.properties.specimen import Batch, Specimen

Groups = Mapping[str, Values]
"""Constants by group, as ``{"ferrite": {...}}``."""


class Reading(NamedTuple):
    """What an instrument shows."""

    value: float
    sigma: float
    """Repeatability; the calibration error of the laboratory is the same in all its readings and
    not in it."""
    quality: str


class Instrument(Protocol):
    """Reads one property of one specimen."""

    def read(self, groups: Groups, specimen: Specimen, truth: float, *key: str | int) -> Reading:
        """A reading where the property really is ``truth``; noise by ``key``."""
        ...

    def draw(self, *key: str | int) -> Instrument:
        """The instrument as the hidden laboratory of ``key`` has it."""
        ...


@dataclass(frozen=True)
class Meter:
    """An instrument that shows the property itself, as a magnetometer or a bridge.

    Args:
        relative: Repeatability relative to the value.
        absolute: Repeatability, in the unit of the property.
        scale_sd: Relative calibration error of a laboratory, standard deviation.
        offset_sd: Additive one, in the unit of the property.
        transition: The property is a temperature of a transition: at 0 K there is none.
        scale: Calibration of this laboratory.
        offset: The same, additive.
    """

    relative: float
    absolute: float
    scale_sd: float = 0.0
    offset_sd: float = 0.0
    transition: bool = False
    scale: float = 1.0
    offset: float = 0.0

    def read(self, groups: Groups, specimen: Specimen, truth: float, *key: str | int) -> Reading:
        """As ``Instrument.read``."""
        sigma = float(np.hypot(self.relative * truth, self.absolute))
        shown = self.scale * truth + self.offset
        value = shown + sigma * float(generator(*key, "meter").standard_normal())
        missing = self.transition and truth <= 0.0
        return Reading(value, sigma, "no transition found" if missing else "good")

    def draw(self, *key: str | int) -> Meter:
        """As ``Instrument.draw``."""
        z = np.clip(generator(*key, "calibration").standard_normal(2), -3.0, 3.0)
        return replace(
            self, scale=1.0 + self.scale_sd * float(z[0]), offset=self.offset_sd * float(z[1])
        )


@dataclass(frozen=True)
class Analyser:
    """An impedance analyser: a spectrum is made and fitted, the total conductivity read from it.

    The pellet's geometry error is drawn per specimen (see ``Cell``) and is part of sigma.

    Args:
        cell: Pellet and analyser.
        sweep: Read the activation energy from a sweep of temperatures instead, eV.
        temperature_sd_k: Error of the sample's temperature at each point of a sweep, K
            (assumption: 0.2 to 2). It, not the spectra, limits the activation energy.
    """

    cell: Cell = field(default_factory=Cell)
    sweep: bool = False
    temperature_sd_k: float = 0.5

    def read(self, groups: Groups, specimen: Specimen, truth: float, *key: str | int) -> Reading:
        """As ``Instrument.read``; 0.3 s per spectrum."""
        materials = {name: groups[name] for name in ELECTROLYTES}
        if not self.sweep:
            found = measure_conductivities(materials, specimen, self.cell, *key)
            return Reading(*found.total, found.quality)
        return self._swept(materials, specimen, *key)

    def _swept(self, materials: Groups, specimen: Specimen, *key: str | int) -> Reading:
        temperatures = sweep_k(Batch.of([specimen]))[:, 0]
        errors = generator(*key, "thermometer").standard_normal(len(temperatures))
        true_k = temperatures + self.temperature_sd_k * errors
        # One pellet: its geometry error is common to all points and leaves the slope alone.
        cell = replace(self.cell, geometry_sd=0.0)
        specimens = at_temperatures(specimen, [float(t) - ZERO_CELSIUS_K for t in true_k])
        points = [
            measure_conductivities(materials, one, cell, *key, number)
            for number, one in enumerate(specimens)
        ]
        value, sigma = np.array([p.total for p in points]).T
        first = fit_arrhenius(temperatures, value, sigma)
        lever = first.activation_ev / (BOLTZMANN_EV_PER_K * temperatures**2)
        relative = np.hypot(sigma / value, lever * self.temperature_sd_k)
        # Grain and boundary bend the line a little: points of equal weight, as `activation_ev`.
        fit = fit_arrhenius(temperatures, value, float(np.median(relative)) * value)
        return Reading(fit.activation_ev, fit.activation_sigma_ev, "good")

    def draw(self, *key: str | int) -> Analyser:
        """As ``Instrument.draw``: nothing but the geometry is off, and that per specimen."""
        return self
