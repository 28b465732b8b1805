"""Two magnetic sublattices in a mean field: Curie point, order and canting of a spinel ferrite.

Spins S on A and B sites see 12 (A to B), 6 (B to A), 4 (A to A) and 6 (B to B) neighbours; all
exchange is antiferromagnetic. ``J_AB`` of a mixture is linear in composition and fixed by the Curie
points of the end members (and of half-zinc nickel ferrite for zinc); ``J_AA`` and ``J_BB`` are
shares of it. Where the B sites oppose each other more than the A sites hold them together they
split in two and cant (Yafet and Kittel, 1952, recalled):

    cos(angle) = 1.5 J_AB P_A / (J_BB P_B)

with the spins per formula P. Mean field overrates order close to the Curie point and knows no spin
waves: magnetisations between 0.3 and 0.9 of the Curie point come out some percent low or high.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sdl.chemistry.thermo import ZERO_CELSIUS_K
from simulators.properties.cations import CATIONS, Sites, distribute
from simulators.properties.constants import Values
from simulators.properties.roots import root
from simulators.properties.specimen import FloatArray

SPIN = np.array([0.0, 0.0, 1.0, 2.5, 1.5, 2.5])
"""Spins of ``CATIONS``, then of Fe3+."""

_AA, _AB, _BB = 8.0, 12.0, 6.0
# 2 J times neighbours, per formula: A from A 2*4; A from B and B from A 2*6; B from B 2*6/2.
_CURIE = SPIN * (SPIN + 1.0) / 3.0
_WEAK = 3e-3
_SMALL = 1e-6
"""The least field and spin: below, no order is a solution too."""


class Order(NamedTuple):
    """Mean order: reduced spins per ion, shape ``(n, 6)``, and cosine of the canting ``(n,)``."""

    tetrahedral: FloatArray
    octahedral: FloatArray
    cosine: FloatArray


def curie_per_exchange(sites: Sites, values: Values) -> FloatArray:
    """Curie point over J_AB, shape ``(n,)``: the largest eigenvalue of the linear mean field."""
    a, b = sites.tetrahedral @ _CURIE, sites.octahedral @ _CURIE
    diagonal_a = -_AA * values["ratio_aa"] * a
    diagonal_b = -_BB * values["ratio_bb"] * b
    root = np.sqrt((diagonal_a - diagonal_b) ** 2 + 4.0 * _AB**2 * a * b)
    return np.maximum(0.5 * (diagonal_a + diagonal_b + root), 0.0)


def exchange_k(values: Values) -> FloatArray:
    """J_AB of the end members in the order of ``CATIONS``, K; from the Curie points that are known.

    Args:
        values: Constants of the group ``ferrite``; the Curie points hold for slow cooling.
    """
    zinc, nickel = CATIONS.index("Zn"), CATIONS.index("Ni")
    pure = np.eye(len(CATIONS))
    half = 0.5 * (pure[zinc] + pure[nickel])
    compositions = np.vstack([pure, half])
    frozen_k = np.full(len(compositions), values["freeze_c"] + ZERO_CELSIUS_K)
    per_exchange = curie_per_exchange(distribute(compositions, frozen_k, values), values)
    known = [values[f"curie_{c.lower()}"] if c != "Zn" else np.nan for c in CATIONS]
    constants = np.array(known) / per_exchange[:-1]
    constants[zinc] = 2.0 * values["curie_ni_zn"] / per_exchange[-1] - constants[nickel]
    return np.maximum(constants, 0.1)


def brillouin(spin: FloatArray, x: FloatArray) -> FloatArray:
    """Brillouin function of ``spin`` at ``x`` (field energy over kT per spin unit times S).

    Zero for spin 0; odd in ``x``; 1 for large ``x``. Shapes broadcast.
    """
    spin, x = np.broadcast_arrays(spin, x)
    magnetic = spin > 0.0
    half = np.where(magnetic, 2.0 * spin, 1.0)
    first, second = (half + 1.0) / half, 1.0 / half
    size = np.abs(x)
    weak = np.minimum(size, _WEAK)
    # Both terms grow as 1/x: near zero their difference is the series of the hyperbolic cotangent.
    series = (first**2 - second**2) * weak / 3.0 - (first**4 - second**4) * weak**3 / 45.0
    strong = np.maximum(size, _WEAK)
    exact = first / np.tanh(first * strong) - second / np.tanh(second * strong)
    value = np.where(size < _WEAK, series, exact)
    return np.where(magnetic, np.sign(x) * value, 0.0)


def order(sites: Sites, exchange: FloatArray, temperature_k: FloatArray, values: Values) -> Order:
    """Self-consistent order at a temperature.

    Both cases come down to one unknown. Collinear: the field h on B gives P_B, then P_A from
    h = 12 P_A - 6 J_BB P_B, and the field on A must give that P_A. Canted: the field on B is
    2 J_BB P_B, that on A is in proportion to P_A. Fields are in units of J_AB.

    Args:
        sites: Cation distribution of ``n`` specimens.
        exchange: J_AB of each, K, shape ``(n,)``.
        temperature_k: K, shape ``(n,)``.
        values: Constants of the group ``ferrite``.
    """
    aa, bb = values["ratio_aa"], values["ratio_bb"]
    beta = (exchange / temperature_k)[:, None] * SPIN
    weight_a, weight_b = sites.tetrahedral * SPIN, sites.octahedral * SPIN

    def spins_a(field: FloatArray) -> FloatArray:
        return (weight_a * brillouin(SPIN, beta * field[:, None])).sum(axis=1)

    def spins_b(field: FloatArray) -> FloatArray:
        return (weight_b * brillouin(SPIN, beta * field[:, None])).sum(axis=1)

    def collinear(field: FloatArray) -> tuple[FloatArray, FloatArray]:
        on_b = spins_b(field)
        on_a = (field + _BB * bb * on_b) / _AB
        return spins_a(_AB * on_b - _AA * aa * on_a) - on_a, on_a

    most_a, most_b = weight_a.sum(axis=1), weight_b.sum(axis=1)
    small = np.full(len(exchange), _SMALL)
    field_b = root(lambda field: collinear(field)[0], small, _AB * most_a + _SMALL)
    on_a, on_b = collinear(field_b)[1], spins_b(field_b)
    canted = _AB * on_a < 8.0 * bb * on_b
    if canted.any():
        on_b = np.where(canted, root(lambda p: spins_b(2.0 * bb * p) - p, small, most_b), on_b)
        pull = _AB**2 / (8.0 * bb) - _AA * aa
        on_a = np.where(canted, root(lambda p: spins_a(pull * p) - p, small, most_a), on_a)
        field_b = np.where(canted, 2.0 * bb * on_b, field_b)
    ratio = _AB * on_a / np.maximum(8.0 * bb * on_b, _SMALL)
    cosine = np.where(canted, np.minimum(ratio, 1.0), 1.0)
    field_a = _AB * on_b * cosine - _AA * aa * on_a
    ordered = curie_per_exchange(sites, values) * exchange > temperature_k
    return Order(
        brillouin(SPIN, beta * np.where(ordered, field_a, 0.0)[:, None]),
        brillouin(SPIN, beta * np.where(ordered, field_b, 0.0)[:, None]),
        cosine,
    )
