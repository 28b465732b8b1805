"""Rate laws of one grain: integral form, slope, and advance by a given k t.

``u`` is the radius of the unreacted core over the grain's radius at the last renewal of contact;
the conversion is ``1 - u**3``. ``interface`` is a resistance in series with the layer, so that the
first instant has a finite rate; it adds ``interface * alpha / 3`` to the integral.
Numbers of the laws: 0 Carter, 1 Ginstling-Brounshtein, 2 Jander, 3 contracting volume, 4 Johnson-
Mehl-Avrami-Kolmogorov, whose exponent stands for ``ratio``; it has no core and no interface.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from simulators.compiled import borrowing, cube_root

FloatArray = NDArray[np.float64]
SMALLEST = 1e-12
"""Unreacted share at which an exponential law counts as finished."""


@borrowing
def law_integral(law: int, u: float, ratio: float, interface: float) -> float:
    """g(alpha) = k t of a law at core radius ``u`` (1 fresh, 0 gone), interface included."""
    left = u * u * u
    if law == 0:
        grown = 1.0 + (ratio - 1.0) * (1.0 - left)
        if abs(ratio - 1.0) < 1e-6:  # Carter's limit for equal volumes
            value = 0.5 - (1.0 - left) / 3.0 - 0.5 * u * u
        else:
            root = cube_root(grown)
            value = (ratio - root * root - (ratio - 1.0) * u * u) / (2.0 * (ratio - 1.0))
    elif law == 1:
        value = 1.0 - 2.0 * (1.0 - left) / 3.0 - u * u
    elif law == 2:
        value = (1.0 - u) * (1.0 - u)
    elif law == 3:
        return 1.0 - u
    else:
        value = -math.log(max(left, SMALLEST))
        return value if ratio == 1.0 else value ** (1.0 / ratio)
    return value + interface * (1.0 - left) / 3.0


@borrowing
def law_resistance(law: int, u: float, ratio: float, interface: float) -> float:
    """D g / d alpha of a law at core radius ``u``; the rate of alpha is k over this."""
    u = max(u, 1e-9)
    if law == 0:
        grown = cube_root(1.0 + (ratio - 1.0) * (1.0 - u * u * u))
        return (1.0 / u - 1.0 / grown + interface) / 3.0
    if law == 1:
        return (2.0 * (1.0 / u - 1.0) + interface) / 3.0
    if law == 2:
        return (2.0 * (1.0 - u) / (u * u) + interface) / 3.0
    if law == 3:
        return 1.0 / (3.0 * u * u)
    grown = max((-math.log(max(u * u * u, SMALLEST))) ** (1.0 / ratio), 1e-4)
    return 1.0 / (ratio * grown ** (ratio - 1.0) * max(u * u * u, SMALLEST))


@borrowing
def law_bend(law: int, u: float, ratio: float) -> float:
    """d2 g / d alpha2 of a law of layers at core radius ``u``; gives the first guess of Newton."""
    inverse = 1.0 / max(u, 1e-6)
    square = inverse * inverse
    bend = square * square / 9.0
    if law == 0:
        grown = 1.0 + (ratio - 1.0) * (1.0 - u * u * u)
        return bend + (ratio - 1.0) / (9.0 * grown * cube_root(grown))
    if law == 1:
        return 2.0 * bend
    return 2.0 * bend * (2.0 - u) * inverse


@borrowing
def core_at(
    law: int, goal: float, high: float, guess: float, ratio: float, interface: float
) -> float:
    """Core radius below ``high`` at which the law's integral is ``goal``: bracketed Newton.

    Args:
        law: Number of the law.
        goal: Value of the integral.
        high: A radius at which the integral is below the goal.
        guess: Where to start, between 0 and ``high``.
        ratio: Volume of layer per volume of core.
        interface: Resistance of the interface.
    """
    if goal >= law_integral(law, 0.0, ratio, interface):
        return 0.0
    low = 0.0
    for _ in range(60):
        error = law_integral(law, guess, ratio, interface) - goal
        if error > 0.0:
            low = guess
        else:
            high = guess
        slope = 3.0 * guess * guess * law_resistance(law, guess, ratio, interface)
        following = guess + error / slope
        if not low <= following <= high:
            following = 0.5 * (low + high)
        change = following - guess
        guess = following
        if abs(change) < 1e-11:
            break
    return guess


@borrowing
def tabulate(law: int, ratio: float, interface: float, out: FloatArray) -> None:
    """Table of a law that ``fresh_share`` reads: u**2 and its slope over the root of the integral.

    With the root of (integral + a shift) as abscissa the radius has no singularity at either end:
    cubic interpolation between 256 nodes is good to 1e-6 of the conversion.

    Args:
        law: Number of the law.
        ratio: Volume of layer per volume of core.
        interface: Resistance of the interface.
        out: (nodes + 1, 2) result; row 0 holds the root of the shift and the nodes per unit of
            abscissa.
    """
    nodes = out.shape[0] - 1
    end = law_integral(law, 0.0, ratio, interface)
    resistance, bend = law_resistance(law, 1.0, ratio, interface), law_bend(law, 1.0, ratio)
    shift = 0.5 * resistance * resistance / bend
    root = math.sqrt(shift)
    width = (math.sqrt(end + shift) - root) / (nodes - 1)
    out[0, 0], out[0, 1] = root, 1.0 / width
    u = 1.0
    for i in range(nodes):
        x = root + i * width
        if i == nodes - 1:
            u = 0.0
        elif i > 0:
            u = core_at(law, x * x - shift, u, 0.5 * u, ratio, interface)
        radius = max(u, 1e-9)
        slope = -2.0 / (3.0 * radius * law_resistance(law, radius, ratio, interface))
        out[1 + i, 0], out[1 + i, 1] = u * u, slope * 2.0 * x * width


@borrowing
def fresh_share(table: FloatArray, integral: float) -> float:
    """Unreacted share (u**3) of a grain at a value of the law's integral, from its table."""
    root = table[0, 0]
    position = (math.sqrt(integral + root * root) - root) * table[0, 1]
    node = int(position)
    if node >= table.shape[0] - 2:
        return 0.0
    part = position - node
    low, high = table[1 + node, 0], table[2 + node, 0]
    rise = high - low
    first, last = table[1 + node, 1] - rise, rise - table[2 + node, 1]
    back = 1.0 - part
    square = low + part * (rise + back * (first * back + last * part))
    return square * math.sqrt(square) if square > 0.0 else 0.0


@borrowing
def unreacted(law: int, ratio: float, table: FloatArray, integral: float) -> float:
    """Unreacted share of a grain at a value of the law's integral."""
    if law == 4:
        return math.exp(-integral if ratio == 1.0 else -(integral**ratio))
    return fresh_share(table, integral)
