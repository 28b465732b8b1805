"""Rate laws of one grain: integral form, slope, and advance by a given k t.

``u`` is the radius of the unreacted core over the grain's radius at the last renewal of contact;
the conversion is ``1 - u**3``. ``interface`` is a resistance in series with the layer, so that the
first instant has a finite rate; it adds ``interface * alpha / 3`` to the integral.
Numbers of the laws: 0 Carter, 1 Ginstling-Brounshtein, 2 Jander, 3 contracting volume.
"""

from __future__ import annotations

import math

import numpy as np

from simulators.compiled import compiled


@compiled
def law_integral(law: int, u: float, ratio: float, interface: float) -> float:
    """g(alpha) = k t of a law at core radius ``u`` (1 fresh, 0 gone), interface included."""
    left = u * u * u
    if law == 0:
        grown = 1.0 + (ratio - 1.0) * (1.0 - left)
        if abs(ratio - 1.0) < 1e-6:  # Carter's limit for equal volumes
            value = 0.5 - (1.0 - left) / 3.0 - 0.5 * u * u
        else:
            root = np.cbrt(grown)
            value = (ratio - root * root - (ratio - 1.0) * u * u) / (2.0 * (ratio - 1.0))
    elif law == 1:
        value = 1.0 - 2.0 * (1.0 - left) / 3.0 - u * u
    elif law == 2:
        value = (1.0 - u) * (1.0 - u)
    else:
        return 1.0 - u
    return value + interface * (1.0 - left) / 3.0


@compiled
def law_resistance(law: int, u: float, ratio: float, interface: float) -> float:
    """D g / d alpha of a law at core radius ``u``; the rate of alpha is k over this."""
    u = max(u, 1e-9)
    if law == 0:
        grown = np.cbrt(1.0 + (ratio - 1.0) * (1.0 - u * u * u))
        return (1.0 / u - 1.0 / grown + interface) / 3.0
    if law == 1:
        return (2.0 * (1.0 / u - 1.0) + interface) / 3.0
    if law == 2:
        return (2.0 * (1.0 - u) / (u * u) + interface) / 3.0
    return 1.0 / (3.0 * u * u)


@compiled
def law_bend(law: int, u: float, ratio: float) -> float:
    """d2 g / d alpha2 of a law of layers at core radius ``u``; gives the first guess of Newton."""
    inverse = 1.0 / max(u, 1e-6)
    square = inverse * inverse
    bend = square * square / 9.0
    if law == 0:
        grown = 1.0 + (ratio - 1.0) * (1.0 - u * u * u)
        return bend + (ratio - 1.0) / (9.0 * grown * np.cbrt(grown))
    if law == 1:
        return 2.0 * bend
    return 2.0 * bend * (2.0 - u) * inverse


@compiled
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


@compiled
def first_guess(u: float, progress: float, resistance: float, bend: float) -> float:
    """Core radius after ``progress``, from the local quadratic of the integral."""
    gone = (
        2.0 * progress / (resistance + math.sqrt(resistance * resistance + 2.0 * bend * progress))
    )
    left = u * u * u - gone
    return np.cbrt(left) if left > 0.0 else 0.5 * u


@compiled
def advance_core(law: int, u: float, ratio: float, interface: float, progress: float) -> float:
    """Core radius after the law's integral has grown by ``progress`` (= k t)."""
    if progress <= 0.0 or u <= 0.0:
        return u
    if law == 3:
        return max(0.0, u - progress)
    goal = law_integral(law, u, ratio, interface) + progress
    resistance = law_resistance(law, u, ratio, interface)
    guess = first_guess(u, progress, resistance, law_bend(law, u, ratio))
    return core_at(law, goal, u, guess, ratio, interface)
