"""A vibrating-sample magnetometer with an oven: raw curves of an aliquot, with noise.

Figures of the instrument are assumptions of a usual bench-top set-up, none from a data sheet; those
that the analysis must know stand in ``sdl.analysis.magnetometry``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdl.analysis.magnetometry import MOUNT_SD, THERMOMETER_SD_C, point_sigma
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.property import Property
from sdl.core.seeds import generator
from simulators.properties.cations import CATIONS, MOLAR_MASS
from simulators.properties.ferrite import magnetisation
from simulators.properties.instrument import Meter
from simulators.properties.model import PropertyModel
from simulators.properties.specimen import Batch, FloatArray, Specimen, mole_fractions

HIGHEST_T = 2.0
FIELD_POINTS = 80
ALIQUOT_MG = 50.0
ALIQUOT_SD_MG = 5.0
"""How much of the powder the spatula takes, mg."""
STEP_C = 3.0
"""Distance of points on a sweep, degC."""
SWEEP_C_PER_MIN = 10.0
"""Heating and cooling of the oven, degC/min."""
LOOP_MIN = 20.0
"""Duration of a curve against field, min."""
GRADIENT_SD_C = 1.5
"""Spread of temperature within an aliquot in the oven, degC."""

_APPROACH_T2 = 5e-4
_APPROACH_CO_T2 = 0.02
"""b of the law of approach, (8/105)(K/Ms)^2 in T^2: of hard cobalt ferrite, K about 2e5 J/m3
(recalled); the others are soft."""
_SUSCEPTIBILITY = 0.1
"""Of whatever does not saturate, A m2/kg/T: hematite 0.16 (recalled), canted spins."""
_QUANTILES = np.array([-1.28, -0.52, 0.0, 0.52, 1.28])


@dataclass(frozen=True, eq=False)
class RawCurve:
    """What the instrument writes.

    Args:
        points: Field, T, or temperature, degC, and moment, A m2, shape ``(n, 2)``.
        mass_mg: Mass of the aliquot as weighed, mg.
    """

    points: FloatArray
    mass_mg: float


def duration_s(measured: Property, temperature_c: float, room_c: float) -> float:
    """Time of a measurement, s: the oven goes up and down again; a loop takes its own time."""
    oven_s = 2.0 * (temperature_c - room_c) / SWEEP_C_PER_MIN * 60.0
    return oven_s + (LOOP_MIN * 60.0 if measured is Property.FERRITE_MAGNETISATION else 0.0)


def measure_curve(model: PropertyModel, specimen: Specimen, *key: str | int) -> RawCurve:
    """The curve of a property.

    Args:
        model: ``ferrite-magnetisation`` or ``ferrite-curie-point`` of this laboratory; its
            instrument holds the calibration error, which no analysis can know.
        specimen: What is measured, at the temperature or, of the Curie point, up to it.
        *key: Key of the noise: seed, laboratory, sample, number of the act.
    """
    rng = generator(*key, "magnetometer", model.name)
    mass_mg = float(np.clip(ALIQUOT_MG + ALIQUOT_SD_MG * rng.standard_normal(), 10.0, 90.0))
    mount = 1.0 + MOUNT_SD * float(rng.standard_normal())
    meter = model.instrument if isinstance(model.instrument, Meter) else Meter(0.0, 0.0)
    if model.name == Property.FERRITE_MAGNETISATION.value:
        x, per_kg = _against_field(model, specimen)
    else:
        # The thermometer's own error moves the whole curve.
        off_c = meter.offset + THERMOMETER_SD_C * float(rng.standard_normal())
        x, per_kg = _against_temperature(model, specimen, off_c)
    moment = 1e-6 * mass_mg * mount * meter.scale * per_kg
    moment = moment + point_sigma(moment) * rng.standard_normal(len(moment))
    return RawCurve(np.column_stack([x, moment]), round(mass_mg, 2))


def _against_field(model: PropertyModel, specimen: Specimen) -> tuple[FloatArray, FloatArray]:
    field = np.linspace(HIGHEST_T, 0.02, FIELD_POINTS)
    fractions, _ = mole_fractions(Batch.of([specimen]), MOLAR_MASS)
    hard = _APPROACH_T2 + _APPROACH_CO_T2 * float(fractions[0, CATIONS.index("Co")])
    approach = field**2 / (field**2 + hard)
    return field, model.mean(specimen) * approach + _SUSCEPTIBILITY * field


def _against_temperature(
    model: PropertyModel, specimen: Specimen, off_c: float
) -> tuple[FloatArray, FloatArray]:
    shown = np.arange(25.0, specimen.temperature_c + 1e-9, STEP_C)
    true = shown[:, None] - off_c + GRADIENT_SD_C * _QUANTILES
    one = Batch.of([specimen])
    rows = one.at_each(true.reshape(1, -1) + ZERO_CELSIUS_K)
    values = magnetisation(model.groups["ferrite"], rows).reshape(true.shape)
    return shown, values.mean(axis=1)
