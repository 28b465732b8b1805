r"""Ion conductors: grains and boundaries by the brick-layer model, each with its Arrhenius law.

.. math:: 1/\sigma = 1/\sigma_g + \rho_b/d, \quad
          \sigma_g T \propto \exp(-E_g/kT), \quad T/\rho_b \propto \exp(-E_b/kT)

with the grain conductivity in S/cm, the boundary's resistance per area rho_b in ohm cm2 and the
grain diameter d. Several electrolytes in one specimen mix logarithmically by weight; phases that do
not conduct and pores lower both parts by (conducting share)^1.5 (Bruggeman, recalled). Percolation,
cracks and the contact of grains in a green pellet are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sdl.analysis.arrhenius import BOLTZMANN_EV_PER_K
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from simulators.properties.constants import Values
from simulators.properties.specimen import Batch, FloatArray

ELECTROLYTES = (
    "Li7La3Zr2O12-cubic",
    "Li7La3Zr2O12-tetragonal",
    "Li1.3Al0.3Ti1.7P3O12",
    "Li0.34La0.51TiO2.94",
    "8YSZ",
)
"""Phases with constants; a phase of a specimen must bear one of these names to conduct."""

Materials = Mapping[str, Values]
"""Constants of each electrolyte."""

SWEEP_C = (-20.0, 0.0, 20.0, 40.0, 60.0, 80.0)
"""Sweep for the activation energy, K above or below the temperature of the specimen."""


class Conduction(NamedTuple):
    """Resistivities and permittivity of specimens, each shape ``(n,)``; infinite: no conductor."""

    grain_ohm_cm: FloatArray
    boundary_ohm_cm: FloatArray
    permittivity: FloatArray
    layer_um: FloatArray
    """Thickness of a blocking boundary, um."""

    @property
    def total_s_per_cm(self) -> FloatArray:
        """Conductivity of grains and boundaries in series, S/cm."""
        return 1.0 / (self.grain_ohm_cm + self.boundary_ohm_cm)


def conduction(materials: Materials, batch: Batch) -> Conduction:
    """Grain and boundary resistivity of each specimen."""
    weights = batch.of_phases(tuple(materials))
    share = weights.sum(axis=1)
    conducts = share > 0.0
    inside = weights / np.where(conducts, share, 1.0)[:, None]
    logs = np.zeros((4, len(batch)))
    for j, values in enumerate(materials.values()):
        reference_k = values["reference_c"] + ZERO_CELSIUS_K
        lever = (1.0 / batch.temperature_k - 1.0 / reference_k) / BOLTZMANN_EV_PER_K
        slow = np.log(batch.temperature_k / reference_k)
        boundary_ohm_cm = values["boundary"] / (1e-4 * batch.grain_um)
        rows = (
            -np.log(values["grain"]) + slow + values["grain_ev"] * lever,
            np.log(boundary_ohm_cm) + slow + values["boundary_ev"] * lever,
            np.full(len(batch), np.log(values["permittivity"])),
            np.full(len(batch), np.log(1e-3 * values["layer_nm"])),
        )
        logs += inside[:, j] * np.array(rows)
    # exp(700) is the largest power a float holds; at 1 K a real conductor is an insulator too.
    grain, boundary, permittivity, layer = np.exp(np.clip(logs, -700.0, 700.0))
    path = np.where(conducts, share * batch.relative_density, 1.0) ** 1.5
    return Conduction(
        np.where(conducts, grain / path, np.inf),
        np.where(conducts, boundary / path, np.inf),
        permittivity,
        layer,
    )


def conductivity(materials: Materials, batch: Batch) -> FloatArray:
    """Total conductivity, S/cm, shape ``(n,)``; 0 where no electrolyte is there."""
    return conduction(materials, batch).total_s_per_cm


def sweep_k(batch: Batch) -> FloatArray:
    """Temperatures of the sweep, K, shape ``(temperatures, n)``."""
    return np.maximum(batch.temperature_k + np.array(SWEEP_C)[:, None], 50.0)


def activation_ev(materials: Materials, batch: Batch) -> FloatArray:
    """Slope of the total conductivity over the sweep, eV, shape ``(n,)``; 0 without electrolyte.

    Unweighted, as an Arrhenius fit of points of equal relative sigma gives it.
    """
    temperatures = sweep_k(batch)
    rows = [np.maximum(conductivity(materials, batch.at(t)) * t, 1e-300) for t in temperatures]
    ln = np.log(rows)
    lever = 1.0 / temperatures / BOLTZMANN_EV_PER_K
    lever = lever - lever.mean(axis=0)
    return -(lever * (ln - ln.mean(axis=0))).sum(axis=0) / (lever**2).sum(axis=0)
