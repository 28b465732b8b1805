"""Counter-based randomness for compiled code: a draw is a function of its key, never of a state.

A key is made of (seed, environment, episode, decision); the numbered draws of a key do not depend
on which others were made, so results are the same for every size, order and number of threads of a
batch. The scrambler is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
"""

from __future__ import annotations

import math

import numpy as np

from envs.compiled import compiled

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)


CENTRE = (
    2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
    13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.3871328727963666080,
    5226.4952788528545610, 28729.085735721942674, 39307.895800092710610, 21213.794301586595867,
    5394.1960214247511077, 687.18700749205790830, 42.313330701600911252,
)  # fmt: skip
FLANK = (
    7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
    1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
    4.63033784615654529590, 1.42343711074968357734,
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
    1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
    2.05319162663775882187,
)  # fmt: skip
"""Coefficients of ``ratio`` within 0.425 of the median and outside."""


@compiled
def scramble(word: np.uint64) -> np.uint64:
    """A bijection of 64-bit words in which every bit depends on every bit."""
    word = (word ^ (word >> np.uint64(30))) * FIRST
    word = (word ^ (word >> np.uint64(27))) * SECOND
    return word ^ (word >> np.uint64(31))


@compiled
def key_of(purpose: int, seed: int, a: int, b: int, c: int) -> np.uint64:
    """The key of a purpose, a seed and three numbers."""
    key = scramble(np.uint64(purpose) + GOLDEN)
    key = scramble(key + np.uint64(seed) + GOLDEN)
    key = scramble(key + np.uint64(a) + GOLDEN)
    key = scramble(key + np.uint64(b) + GOLDEN)
    return scramble(key + np.uint64(c) + GOLDEN)


@compiled
def uniform(key: np.uint64, number: int) -> float:
    """Draw ``number`` of a key, uniform in [0, 1)."""
    word = scramble(key + np.uint64(number + 1) * GOLDEN)
    return float(word >> np.uint64(11)) * 2.0**-53


@compiled
def ratio(coefficients: tuple[float, ...], r: float) -> float:
    """A polynomial of order 7 over another, both from the highest power down."""
    a = coefficients
    above = ((((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * r + a[6]) * r
    below = (
        (((((a[8] * r + a[9]) * r + a[10]) * r + a[11]) * r + a[12]) * r + a[13]) * r + a[14]
    ) * r
    return (above + a[7]) / (below + 1.0)


@compiled
def quantile(p: float) -> float:
    """Standard normal number below which a share ``p`` of (0, 1) lies; cut at 6.66.

    The rational functions of Wichura's algorithm AS 241 (Appl. Statist. 37, 477, 1988; coefficients
    recalled, tested against ``scipy.special.ndtri``).
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * ratio(CENTRE, 0.180625 - q * q)
    r = min(5.0, math.sqrt(-math.log(min(p, 1.0 - p))))
    return math.copysign(ratio(FLANK, r - 1.6), q)


@compiled
def normal(key: np.uint64, number: int) -> float:
    """Draw ``number`` of a key, standard normal."""
    return quantile(uniform(key, number) + 2.0**-54)
