"""A pellet between blocking electrodes on an impedance analyser: the spectrum, and what it says."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdl.analysis.impedance import VACUUM_F_PER_CM, ArcFit, Spectrum, arcs_ohm, fit_arcs
from sdl.core.errors import ChemistryError
from sdl.core.seeds import generator
from simulators.properties.electrolyte import Conduction, Materials, conduction
from simulators.properties.specimen import Batch, FloatArray, Specimen


@dataclass(frozen=True)
class Cell:
    """Pellet, electrodes and analyser. Assumptions of a usual bench set-up, none from a data sheet.

    The analyser's noise is relative to the modulus, the same in both parts, larger towards both
    ends of its range.
    """

    thickness_cm: float = 0.1
    """Nominal; what a caliper reads."""
    diameter_cm: float = 1.0
    geometry_sd: float = 0.01
    """Relative error of thickness over area, once per specimen (assumption: 0.005 to 0.03)."""
    highest_hz: float = 3e6
    lowest_hz: float = 0.1
    points_per_decade: int = 10
    largest_ohm: float = 1e10
    """What the analyser's input still tells from an open circuit (assumption: 1e9 to 1e12)."""
    noise: float = 0.003
    """Relative noise in the middle of the range (assumption: 0.001 to 0.01)."""
    grain_exponent: float = 0.97
    boundary_exponent: float = 0.92
    """Exponents of the constant phase elements (assumption: 0.85 to 1)."""
    electrode_s_per_cm2: float = 1e-5
    """Electrode's constant phase element, S s^n/cm2 (assumption: 1e-6 to 1e-4)."""
    electrode_exponent: float = 0.85

    @property
    def constant_per_cm(self) -> float:
        """Thickness over area, 1/cm."""
        return self.thickness_cm / (math.pi / 4.0 * self.diameter_cm**2)

    @property
    def dielectric_f(self) -> float:
        """Capacitance of the pellet as a dielectric of permittivity 40, F."""
        return VACUUM_F_PER_CM * 40.0 / self.constant_per_cm

    def frequencies_hz(self) -> FloatArray:
        """Frequencies of a sweep, from high to low, Hz."""
        decades = math.log10(self.highest_hz / self.lowest_hz)
        points = round(decades * self.points_per_decade) + 1
        return np.geomspace(self.highest_hz, self.lowest_hz, points)

    def relative_sigma(self, frequency_hz: FloatArray) -> FloatArray:
        """Noise over modulus at each frequency."""
        high, low = frequency_hz / 1e6, 0.3 / frequency_hz
        return self.noise * np.sqrt(1.0 + high**2 + low**2)

    def circuit(self, state: Conduction, constant_per_cm: float) -> FloatArray:
        """Parameters of the circuit of one specimen (first row of ``state``), as ``ArcFit`` has."""
        grain = float(state.grain_ohm_cm[0]) * constant_per_cm
        boundary = float(state.boundary_ohm_cm[0]) * constant_per_cm
        farad = VACUUM_F_PER_CM * float(state.permittivity[0]) / constant_per_cm
        return np.array([
            math.log(grain), math.log(grain * farad), self.grain_exponent,
            math.log(boundary), math.log(boundary * farad), self.boundary_exponent,
            -math.log(self.electrode_s_per_cm2 * math.pi / 4.0 * self.diameter_cm**2),
            self.electrode_exponent,
        ])  # fmt: skip


def measure_spectrum(
    materials: Materials, specimen: Specimen, cell: Cell, *key: str | int
) -> Spectrum:
    """A spectrum with noise; the boundary's capacitance is the grain's times grain over layer.

    Args:
        materials: Constants of this laboratory.
        specimen: What is measured, at its temperature.
        cell: Pellet and analyser.
        *key: Key of the noise; the pellet's true geometry too is drawn from it.

    Raises:
        ChemistryError: The specimen holds no electrolyte, or insulates at this temperature.
    """
    batch = Batch.of([specimen])
    state = conduction(materials, batch)
    resistance_ohm = cell.constant_per_cm / max(float(state.total_s_per_cm[0]), 1e-300)
    if not resistance_ohm < cell.largest_ohm:
        raise ChemistryError(
            "this specimen insulates",
            got=f"{', '.join(specimen.phases)} at {specimen.temperature_c:g} degC",
            allowed=f"one of {', '.join(materials)}, below {cell.largest_ohm:.0e} ohm",
            do="measure at a higher temperature, or another sample",
        )
    rng = generator(*key, "impedance")
    constant = cell.constant_per_cm * (1.0 + cell.geometry_sd * float(rng.standard_normal()))
    parameters = cell.circuit(state, constant)
    parameters[4] += math.log(max(specimen.grain_um / float(state.layer_um[0]), 3.0))
    frequency = cell.frequencies_hz()
    truth = arcs_ohm(frequency, parameters)
    relative = cell.relative_sigma(frequency)
    noise = rng.standard_normal((2, len(frequency)))
    measured = truth + np.abs(truth) * relative * (noise[0] + 1j * noise[1])
    return Spectrum(frequency, measured, np.abs(measured) * relative)


@dataclass(frozen=True)
class Conductivities:
    """Conductivities (value, sigma), S/cm, from one spectrum; grain and boundary as if alone."""

    total: tuple[float, float]
    grain: tuple[float, float]
    boundary: tuple[float, float]
    quality: str
    """``good``, or why the numbers should not be trusted."""


def read_conductivities(fit: ArcFit, cell: Cell) -> Conductivities:
    """Resistances to conductivities; the sigma of the geometry is added."""

    def turned(resistance: tuple[float, float]) -> tuple[float, float]:
        value = cell.constant_per_cm / resistance[0]
        return value, value * math.hypot(resistance[1] / resistance[0], cell.geometry_sd)

    quality = "good" if fit.resolved else "grain and boundary overlap: trust the total only"
    if fit.reduced_chi2 > 2.0:
        quality = f"the circuit does not fit (reduced chi2 {fit.reduced_chi2:.1f})"
    total, grain, boundary = fit.total_ohm, fit.resistance_ohm(1), fit.resistance_ohm(2)
    return Conductivities(turned(total), turned(grain), turned(boundary), quality)


def measure_conductivities(
    materials: Materials, specimen: Specimen, cell: Cell, *key: str | int
) -> Conductivities:
    """Spectrum, fit, conductivities: about 0.2 s."""
    spectrum = measure_spectrum(materials, specimen, cell, *key)
    return read_conductivities(fit_arcs(spectrum, cell_f=cell.dielectric_f), cell)


def at_temperatures(specimen: Specimen, temperatures_c: Sequence[float]) -> list[Specimen]:
    """The same specimen at several temperatures, degC."""
    return [specimen.model_copy(update={"temperature_c": t}) for t in temperatures_c]
