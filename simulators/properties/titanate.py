r"""(Ba,Sr)TiO3: Curie point, permittivity and loss tangent, by composition, grain and temperature.

With Barrett's effective temperature :math:`\Theta(T) = (T_1/2) \coth(T_1/2T)`, which is T above
100 K and stays at :math:`T_1/2` below, the lattice follows Curie and Weiss:

.. math:: 1/\epsilon = (\Delta + \Theta - \Theta_c)/C, \quad
          1/\epsilon = (\Delta + \kappa(\Theta_c - \Theta))/C \text{ below}

:math:`\Theta_c` is linear in composition between BaTiO3 and SrTiO3 with a bow; where it is below
:math:`T_1/2` the titanate never orders (quantum paraelectric). The transition is smeared by a
Gaussian: always a little, more in fine grains, and by the spread of composition in what is not
homogeneous. Below the Curie point domain walls add a part with its maximum near 1 um (Arlt 1985,
recalled); a thin layer of low permittivity stands in series at every grain boundary.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from sdl.chemistry.elements import ATOMIC_MASS
from simulators.properties.constants import Values
from simulators.properties.specimen import Batch, FloatArray, mole_fractions

TITANATES = {"BaTiO3": "Ba", "SrTiO3": "Sr"}
"""The cation that each end member brings."""

MOLAR_MASS = {
    name: ATOMIC_MASS[cation] + ATOMIC_MASS["Ti"] + 3.0 * ATOMIC_MASS["O"]
    for name, cation in TITANATES.items()
}

_QUANTILES = np.array([NormalDist().inv_cdf((k + 0.5) / 41) for k in range(41)])

DENSITY = {"BaTiO3": 6.02, "SrTiO3": 5.12, "BaCO3": 4.29, "SrCO3": 3.78, "TiO2": 4.25, "BaO": 5.72}
"""g/cm3, textbook; any other phase 5."""

OTHERS = {"TiO2": 100.0, "BaCO3": 9.0, "SrCO3": 9.0, "BaO": 34.0, "SrO": 14.0}
"""Relative permittivity of other phases, recalled; the rest by ``other_permittivity``."""


class Lattice(NamedTuple):
    """What composition, grain and history make of the transition; each shape ``(n,)``."""

    critical_k: FloatArray
    """Effective temperature at which the lattice orders, K."""
    curie_constant_k: FloatArray
    gap_k: FloatArray
    width_k: FloatArray
    """Standard deviation of ``critical_k`` within the specimen, K."""


def effective_k(temperature_k: FloatArray, quantum_k: float) -> FloatArray:
    """Barrett's effective temperature, K; at least half of ``quantum_k``."""
    half = 0.5 * quantum_k
    return half / np.tanh(half / np.maximum(temperature_k, 0.1))


def lattice(values: Values, batch: Batch) -> Lattice:
    """The transition of each specimen."""
    fractions, _ = mole_fractions(batch, MOLAR_MASS)
    barium, strontium = fractions[:, 0], fractions[:, 1]
    ends = (
        float(effective_k(np.array(values["curie_ba"]), values["quantum"])),
        values["weiss_sr"] + values["gap_sr"],
    )
    bow = values["bow"]
    critical = barium * ends[0] + strontium * ends[1] + bow * barium * strontium
    slope = ends[0] - ends[1] + bow * (strontium - barium)
    # Two kinds of grain, unmixed, have the variance x(1-x).
    spread = np.sqrt(barium * strontium * (1.0 - batch.homogeneity))
    width = np.sqrt(
        values["diffuse"] ** 2
        + values["diffuse_grain"] ** 2 / batch.grain_um
        + (slope * spread) ** 2
    )
    return Lattice(
        # A particle smaller than a few ten nanometres does not order at all.
        np.maximum(critical - values["size_shift"] / batch.grain_um, 1.0),
        barium * values["curie_constant_ba"] + strontium * values["curie_constant_sr"],
        barium * values["gap_ba"] + strontium * values["gap_sr"],
        width,
    )


def curie_point_k(values: Values, batch: Batch) -> FloatArray:
    """Curie point, K, shape ``(n,)``; 0 where nothing orders or no titanate is there."""
    critical = lattice(values, batch).critical_k
    half = 0.5 * values["quantum"]
    ratio = np.where(critical > half, half / np.maximum(critical, half * (1.0 + 1e-12)), 0.5)
    _, share = mole_fractions(batch, MOLAR_MASS)
    return np.where((critical > half) & (share > 0.0), half / np.arctanh(ratio), 0.0)


def _parts(values: Values, batch: Batch) -> tuple[FloatArray, FloatArray]:
    """Permittivity of the dense titanate, lattice and domain walls, each shape ``(n,)``."""
    state = lattice(values, batch)
    theta = effective_k(batch.temperature_k, values["quantum"])[:, None]
    above = theta - state.critical_k[:, None] - state.width_k[:, None] * _QUANTILES
    distance = np.where(above > 0.0, above, -values["below"] * above)
    local = state.curie_constant_k[:, None] / (state.gap_k[:, None] + distance)
    ordered = 1.0 - np.exp(-np.maximum(-above, 0.0) / values["domain_k"])
    small = 1.0 / (1.0 + (values["domain_um"] / batch.grain_um) ** 3)
    walls = values["domains"] / np.sqrt(batch.grain_um) * small * ordered.mean(axis=1)
    return local.mean(axis=1), walls


def permittivity(values: Values, batch: Batch) -> FloatArray:
    """Relative permittivity at about 1 kHz, shape ``(n,)``.

    Other phases by Lichtenecker's logarithmic rule over volumes, pores by (density)^1.5
    (Bruggeman, recalled).
    """
    crystal, walls = _parts(values, batch)
    layer = 1e-3 * values["dead_layer_nm"] / (values["dead_permittivity"] * batch.grain_um)
    host = 1.0 / (1.0 / (crystal + walls) + layer)
    density = np.array([DENSITY.get(name, 5.0) for name in batch.phases])
    volumes = batch.weights / density
    volumes /= volumes.sum(axis=1, keepdims=True)
    inside = np.array([name in TITANATES for name in batch.phases])
    other = np.log([OTHERS.get(name, values["other_permittivity"]) for name in batch.phases])
    logarithm = volumes[:, inside].sum(axis=1) * np.log(host) + volumes[:, ~inside] @ other[~inside]
    return np.exp(logarithm) * batch.relative_density**1.5


def loss_tangent(values: Values, batch: Batch) -> FloatArray:
    """Loss tangent at about 1 kHz, shape ``(n,)``: a base, and more from domain walls."""
    crystal, walls = _parts(values, batch)
    return values["loss"] + values["loss_domains"] * walls / (crystal + walls)


def permittivity_maximum(values: Values, batch: Batch) -> FloatArray:
    """Largest permittivity on a temperature sweep around the Curie point, shape ``(n,)``."""
    sweep_k = curie_point_k(values, batch)[:, None] + np.arange(-60.0, 41.0, 2.0)
    on_sweep = permittivity(values, batch.at_each(np.maximum(sweep_k, 2.0)))
    return on_sweep.reshape(sweep_k.shape).max(axis=1)
