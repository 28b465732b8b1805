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
def normal(key: np.uint64, number: int) -> float:
    """Draw ``number`` of a key, standard normal (Box and Muller)."""
    radius = math.sqrt(-2.0 * math.log(1.0 - uniform(key, 2 * number)))
    return radius * math.cos(2.0 * math.pi * uniform(key, 2 * number + 1))
