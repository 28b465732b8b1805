"""From what a station measured to an observation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sdl.analysis.fit import fit_pattern
from sdl.analysis.magnetometry import CurveFit, curie_point, saturation
from sdl.analysis.pattern import Grid
from sdl.analysis.references import ReferenceSet, load_references
from sdl.core.command import Command, Verb
from sdl.core.errors import LabError
from sdl.core.material import Observation, PhaseAmount, Reading
from sdl.core.property import QUANTITIES, Property
from sdl.core.protocols import BlobStore

SUSPECT_CHI2 = 4.0
"""Reduced chi-square above which a fit is not trusted."""


@cache
def _references(system: str) -> ReferenceSet:
    return load_references(system)


def observe(
    command: Command,
    result: Mapping[str, Any],
    *,
    time_s: float,
    name: str,
    system: str,
    blobs: BlobStore,
) -> Observation:
    """Analyses the result of a scan or of a measured property, or takes over a table's outcome.

    Args:
        command: The SCAN, MEASURE or REPLAY command.
        result: What its DONE event carries.
        time_s: Laboratory time of the end of the measurement, s.
        name: Name of the observation, as ``S7-a1``.
        system: Chemical system whose phases are looked for.
        blobs: Where the raw pattern lies.

    Raises:
        LabError: The result lacks what the verb promises.
    """
    sample = command.samples[0]
    try:
        if command.verb is Verb.MEASURE:
            return _property(command, result, time_s=time_s, name=name, blobs=blobs)
        if command.verb is Verb.REPLAY:
            phases = {
                phase: PhaseAmount(weight_fraction=pair[0], sigma=pair[1])
                for phase, pair in result["phases"].items()
            }
            return Observation(sample=sample, name=name, time_s=time_s, phases=phases)
        counts = blobs.get_array(result["pattern"])
        grid = Grid(result["two_theta_start_deg"], result["two_theta_step_deg"], len(counts))
        scan_min = float(result["scan_min"])
    except KeyError as err:
        raise LabError(
            f"the result of {command.verb.value} {command.id} is incomplete",
            got=", ".join(result) or "nothing",
            allowed=f"a result with {err}",
            do="correct the driver of the station",
            where=command.station,
        ) from err
    fit = fit_pattern(counts, _references(system), grid=grid, scan_min=scan_min)
    return Observation(
        sample=sample,
        name=name,
        time_s=time_s,
        phases=fit.phases,
        unexplained=min(max(fit.unexplained, 0.0), 1.0),
        reduced_chi2=fit.reduced_chi2,
        quality="good" if fit.reduced_chi2 < SUSPECT_CHI2 else "poor fit",
        pattern=result["pattern"],
    )


_CURVES: dict[Property, Callable[[npt.NDArray[np.float64], float], CurveFit]] = {
    Property.FERRITE_MAGNETISATION: saturation,
    Property.FERRITE_CURIE_POINT: curie_point,
}
"""From raw curve and mass of the aliquot, mg, to the property."""


def fit_curve(measured: Property, curve: npt.NDArray[np.float64], mass_mg: float) -> CurveFit:
    """What a raw curve says of a property."""
    return _CURVES[measured](curve, mass_mg)


def _property(
    command: Command, result: Mapping[str, Any], *, time_s: float, name: str, blobs: BlobStore
) -> Observation:
    measured = Property(result["property"])
    curve = np.asarray(blobs.get_array(result["curve"]), dtype=np.float64)
    fit = fit_curve(measured, curve, float(result["mass_mg"]))
    reading = Reading(
        property=measured,
        value=fit.value,
        sigma=fit.sigma,
        unit=QUANTITIES[measured].unit,
        temperature_c=float(result["temperature_c"]),
        curve=result["curve"],
    )
    return Observation(
        sample=command.samples[0],
        name=name,
        time_s=time_s,
        phases={},
        reduced_chi2=fit.reduced_chi2,
        quality=fit.quality,
        reading=reading,
    )


def trusted(measurement: Observation | None) -> Reading | None:
    """The property, where the measurement is good: a bad one gives no number to go by."""
    if measurement is None or measurement.quality != "good":
        return None
    return measurement.reading
