"""From a vial's truth to the specimen whose property is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sdl.chemistry.thermo import GAS_CONSTANT, ZERO_CELSIUS_K
from simulators.properties.cations import frozen_c
from simulators.properties.constants import Values
from simulators.properties.specimen import Specimen

History = Sequence[tuple[float, float, float]]
"""Pieces of a thermal history: from degC, to degC, s; the true temperatures of the sample."""

_REFERENCE_K = 1000.0 + ZERO_CELSIUS_K
_FROZEN_C = (400.0, 1600.0)
_FINEST_UM = 0.01


def diffused_um2(history: History, values: Values) -> float:
    """Interdiffusion coefficient of the cations times time, um2.

    Args:
        history: Of the sample.
        values: Constants of the group ``ferrite``.
    """
    total = 0.0
    for start_c, end_c, duration_s in history:
        ends_k = np.linspace(start_c, end_c, 9) + ZERO_CELSIUS_K
        middle_k = 0.5 * (ends_k[1:] + ends_k[:-1])
        lever = (1.0 / middle_k - 1.0 / _REFERENCE_K) / GAS_CONSTANT
        rates = values["interdiffusion_um2_per_h"] * np.exp(-values["interdiffusion_kj"] * lever)
        total += float(rates.mean()) * duration_s / 3600.0
    return total


def homogeneity(history: History, grain_um: float, values: Values) -> float:
    """How far the end members have become one solid solution, 0 to 1.

    The first term of the series for a plate of the thickness of a grain (Crank, recalled).
    """
    return 1.0 - float(np.exp(-(np.pi**2) * diffused_um2(history, values) / grain_um**2))


def cooled_from(history: History) -> tuple[float, float] | None:
    """Temperature, degC, and rate, degC/min, of the last cooling; ``None`` if there was none."""
    for start_c, end_c, duration_s in reversed(history):
        if end_c < start_c and duration_s > 0.0:
            return start_c, (start_c - end_c) / duration_s * 60.0
    return None


def ferrite_specimen(
    fractions: Mapping[str, float],
    grains_um: Mapping[str, float],
    history: History,
    values: Values,
    temperature_c: float,
) -> Specimen:
    """The specimen that a ferrite powder is.

    Args:
        fractions: True weight fractions; may be empty, which is measured as nothing magnetic.
        grains_um: Grain diameters of the phases, um.
        history: True temperatures of the sample.
        values: Constants of the group ``ferrite`` in this laboratory.
        temperature_c: Of the measurement, degC.
    """
    hosts = {name: w for name, w in fractions.items() if name.endswith("Fe2O4") and w > 0.0}
    share = sum(hosts.values())
    grain_um = sum(w * grains_um[n] for n, w in hosts.items()) / share if share else 1.0
    grain_um = max(grain_um, _FINEST_UM)
    cooling = cooled_from(history)
    frozen = _FROZEN_C[0] if cooling is None else frozen_c(values, *cooling)
    return Specimen(
        phases=dict(fractions) or {"nothing": 1.0},
        grain_um=grain_um,
        temperature_c=temperature_c,
        homogeneity=homogeneity(history, grain_um, values),
        cations_frozen_c=min(max(frozen, _FROZEN_C[0]), _FROZEN_C[1]),
    )
