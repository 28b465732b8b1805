r"""Which site each cation of a spinel ferrite holds, after its cooling.

A spinel (M,Fe)[M,Fe]2O4 has one tetrahedral (A) and two octahedral (B) cations per formula. Each
cation M exchanges with Fe3+ between the sites; at the temperature where exchange froze

.. math:: RT \ln \frac{M_B Fe_A}{M_A Fe_B} = -(\alpha_M + 2\beta X_M)

with :math:`\alpha` and :math:`\beta` after O'Neill and Navrotsky (1984, recalled). For one cation
:math:`X_M` is the inversion. In a mixture the lattice term may see the mean inversion
:math:`X = Fe_A` (their model) or what M has in its own end member; ``coupling`` weighs the two,
because we found no measurement that decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sdl.chemistry.elements import ATOMIC_MASS
from sdl.chemistry.thermo import GAS_CONSTANT, ZERO_CELSIUS_K
from simulators.properties.constants import Values
from simulators.properties.roots import root
from simulators.properties.specimen import FloatArray

CATIONS = ("Mg", "Zn", "Ni", "Mn", "Co")
"""Order of the columns of every composition of a ferrite."""

FERRITES = {f"{cation}Fe2O4": cation for cation in CATIONS}
"""The cation that each end member brings."""

MOLAR_MASS = {
    name: ATOMIC_MASS[cation] + 2.0 * ATOMIC_MASS["Fe"] + 4.0 * ATOMIC_MASS["O"]
    for name, cation in FERRITES.items()
}
"""g/mol of the end members, in the order of ``CATIONS``."""

_REFERENCE_C_PER_MIN = 2.0
_TRACE = 1e-12


class Sites(NamedTuple):
    """Cations per formula unit: columns as ``CATIONS``, then iron; each shape ``(n, 6)``."""

    tetrahedral: FloatArray
    octahedral: FloatArray


def frozen_c(values: Values, soak_c: float, cooling_c_per_min: float) -> float:
    """Temperature at which cations stop to exchange on cooling, degC.

    Exchange with the activation energy E freezes where its time constant reaches R T^2 / (E q)
    (Dodson's closure at the cooling rate q); one point is fixed by ``freeze_c`` at 2 K/min.

    Args:
        values: Constants of the group ``ferrite``.
        soak_c: Last temperature that the sample had long enough; the result is never above it.
        cooling_c_per_min: Cooling rate, degC/min: 2 a closed furnace, 100 in air, 1000 in a liquid.
    """
    reference_k = values["freeze_c"] + ZERO_CELSIUS_K
    lag = np.log(cooling_c_per_min / _REFERENCE_C_PER_MIN)
    temperature_k = reference_k
    for _ in range(50):
        shift = lag - 2.0 * np.log(temperature_k / reference_k)
        inverse = 1.0 / reference_k - GAS_CONSTANT / values["freeze_kj"] * shift
        temperature_k = 1.0 / inverse
    return float(min(temperature_k - ZERO_CELSIUS_K, soak_c))


def distribute(fractions: FloatArray, frozen_k: FloatArray, values: Values) -> Sites:
    """Cations on both sites.

    Args:
        fractions: Mole fractions of ``CATIONS``, shape ``(n, 5)``, rows sum to 1.
        frozen_k: Temperature at which the exchange froze, K, shape ``(n,)``.
        values: Constants of the group ``ferrite``.
    """
    alpha = np.array([values[f"alpha_{cation.lower()}"] for cation in CATIONS])
    beta, coupling = values["beta"], values["coupling"]
    own = _own_inversion(alpha, beta, frozen_k)
    fixed = alpha + 2.0 * beta * (1.0 - coupling) * own

    def octahedral_share(inversion: FloatArray) -> FloatArray:
        free = fixed + 2.0 * beta * coupling * inversion[:, None]
        return _octahedral_share(inversion[:, None], free, frozen_k[:, None])

    # With hardly any iron on A every cation goes to B; with A full of iron no more than all can.
    ends = np.full(len(fractions), _TRACE), np.full(len(fractions), 1.0 - _TRACE)
    inversion = root(lambda x: (fractions * octahedral_share(x)).sum(axis=1) - x, *ends)
    octahedral = fractions * octahedral_share(inversion)
    # Exact sums per site, whatever the last digit of the bisection.
    iron_a = octahedral.sum(axis=1)
    return Sites(
        np.column_stack([fractions - octahedral, iron_a]),
        np.column_stack([octahedral, 2.0 - iron_a]),
    )


def _octahedral_share(inversion: FloatArray, free: FloatArray, frozen_k: FloatArray) -> FloatArray:
    """Share of a cation that sits on B sites, for Fe_A = ``inversion``."""
    log_ratio = np.log((2.0 - inversion) / inversion) - free / (GAS_CONSTANT * frozen_k)
    return 1.0 / (1.0 + np.exp(-np.clip(log_ratio, -60.0, 60.0)))


def _own_inversion(alpha: FloatArray, beta: float, frozen_k: FloatArray) -> FloatArray:
    """Inversion of each end member by itself, shape ``(n, 5)``."""
    shape = (len(frozen_k), len(alpha))
    kelvin = frozen_k[:, None]
    return root(
        lambda x: _octahedral_share(x, alpha + 2.0 * beta * x, kelvin) - x,
        np.full(shape, _TRACE),
        np.full(shape, 1.0 - _TRACE),
    )
