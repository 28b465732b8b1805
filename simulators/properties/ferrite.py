"""Mixed spinel ferrites (Mg,Zn,Ni,Mn,Co)Fe2O4: saturation magnetisation and Curie point."""

from __future__ import annotations

import numpy as np

from simulators.properties.cations import CATIONS, MOLAR_MASS, Sites, distribute
from simulators.properties.constants import Values
from simulators.properties.exchange import curie_per_exchange, exchange_k, order
from simulators.properties.specimen import Batch, FloatArray, mole_fractions

BOHR_MAGNETON_PER_MOL = 5.5849405
"""A m2/mol: Bohr magneton times Avogadro's number (CODATA 2018)."""

HEMATITE = "Fe2O3"


def moments_mu_b(values: Values) -> tuple[FloatArray, FloatArray]:
    """Moments of ``CATIONS``, then of iron, on A and on B sites, Bohr magnetons, each ``(6,)``."""
    named = {"Ni": "ni", "Mn": "mn", "Co": "co"}
    a = [values[f"moment_{named[c]}"] if c in named else 0.0 for c in CATIONS]
    b = list(a)
    b[CATIONS.index("Mn")] = values["moment_mn_octahedral"]
    iron = values["moment_fe"]
    return np.array([*a, iron]), np.array([*b, iron])


def _moment(
    fractions: FloatArray, frozen_k: FloatArray, temperature_k: FloatArray, values: Values
) -> FloatArray:
    """Net moment of the solid solution, Bohr magnetons per formula, shape ``(n,)``."""
    sites = distribute(fractions, frozen_k, values)
    state = order(sites, fractions @ exchange_k(values), temperature_k, values)
    on_a, on_b = moments_mu_b(values)
    a = (sites.tetrahedral * on_a * state.tetrahedral).sum(axis=1)
    b = (sites.octahedral * on_b * state.octahedral).sum(axis=1) * state.cosine
    # With more moment on A than on B the crystal turns round: what is measured has no sign.
    return np.abs(b - a)


def moment_mu_b(values: Values, batch: Batch) -> FloatArray:
    """Net moment per formula unit of the bulk solid solution, Bohr magnetons, shape ``(n,)``."""
    fractions, _ = mole_fractions(batch, MOLAR_MASS)
    return _moment(fractions, batch.frozen_k, batch.temperature_k, values)


def magnetisation(values: Values, batch: Batch) -> FloatArray:
    """Saturation magnetisation per mass of specimen, A m2/kg (emu/g), shape ``(n,)``.

    The solid solution, less a magnetically dead shell of each grain, weighted by mass; hematite
    adds its weak moment, every other phase nothing. Pores have no mass and do not count.
    Inhomogeneous specimens are taken as so much solid solution beside so much end members.
    """
    masses = np.array(list(MOLAR_MASS.values()))
    fractions, share = mole_fractions(batch, MOLAR_MASS)
    per_formula = _moment(fractions, batch.frozen_k, batch.temperature_k, values)
    dissolved = per_formula * BOHR_MAGNETON_PER_MOL / (fractions @ masses * 1e-3)
    apart = np.zeros(len(batch))
    if np.any(batch.homogeneity < 1.0):
        for j in range(len(CATIONS)):
            if not fractions[:, j].any():
                continue
            pure = np.zeros_like(fractions)
            pure[:, j] = 1.0
            moment = _moment(pure, batch.frozen_k, batch.temperature_k, values)
            apart += fractions[:, j] * moment
        apart *= BOHR_MAGNETON_PER_MOL / (fractions @ masses * 1e-3)
    shell = np.clip(1.0 - 2e-3 * values["dead_layer_nm"] / batch.grain_um, 0.0, 1.0) ** 3
    bulk = batch.homogeneity * dissolved + (1.0 - batch.homogeneity) * apart
    weak = values["hematite"] * batch.of_phases([HEMATITE])[:, 0]
    return share * bulk * shell + weak


def sites_of(values: Values, batch: Batch) -> Sites:
    """Cation distribution of the solid solution, columns as ``CATIONS`` and iron."""
    fractions, _ = mole_fractions(batch, MOLAR_MASS)
    return distribute(fractions, batch.frozen_k, values)


def curie_point_k(values: Values, batch: Batch) -> FloatArray:
    """Curie point of the solid solution, K, shape ``(n,)``; 0 where no ferrite is there.

    Neither grain size nor other phases move it.
    """
    fractions, share = mole_fractions(batch, MOLAR_MASS)
    sites = distribute(fractions, batch.frozen_k, values)
    point = curie_per_exchange(sites, values) * (fractions @ exchange_k(values))
    return np.where(share > 0.0, point, 0.0)
