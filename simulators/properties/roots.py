"""Roots of many scalar equations at once, each in its own bracket."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from simulators.properties.specimen import FloatArray

_ROUNDS = 100
_RELATIVE = 1e-13
_ABSOLUTE = 1e-14


def root(
    function: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Roots by Chandrupatla's method (1997, recalled): bisection that interpolates where it may.

    SciPy's ``elementwise.find_root`` is the same method; its bookkeeping takes longer than our
    functions do. An element keeps the root it settled on, so that it does not depend on the others.

    Args:
        function: Elementwise function of an array of the shape of ``low``.
        low: Lower ends, where the function has one sign.
        high: Upper ends, where it has the other; where both have one sign, an end is returned.
    """
    a, b = np.array(high, dtype=np.float64), np.array(low, dtype=np.float64)
    fa, fb = function(a), function(b)
    share = np.full_like(a, 0.5)
    found = np.where(np.abs(fa) < np.abs(fb), a, b)
    done = np.sign(fa) * np.sign(fb) >= 0.0
    for _ in range(_ROUNDS):
        if done.all():
            break
        x = a + share * (b - a)
        fx = function(x)
        same = np.sign(fx) == np.sign(fa)
        c, fc = np.where(same, a, b), np.where(same, fa, fb)
        b, fb = np.where(same, b, a), np.where(same, fb, fa)
        a, fa = x, fx
        nearer = np.where(np.abs(fa) < np.abs(fb), a, b)
        found = np.where(done, found, nearer)
        width = np.maximum(np.abs(b - a), 1e-300)
        limit = (_RELATIVE * np.abs(nearer) + _ABSOLUTE) / width
        done = done | (limit > 0.5) | (fa == 0.0)
        share = np.clip(_inverse_quadratic(a, b, c, fa, fb, fc), limit, 1.0 - limit)
    return found


def _inverse_quadratic(
    a: FloatArray, b: FloatArray, c: FloatArray, fa: FloatArray, fb: FloatArray, fc: FloatArray
) -> FloatArray:
    """Where between ``a`` and ``b`` to look next: interpolated if that is safe, else the middle."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        xi, phi = (a - b) / (c - b), (fa - fb) / (fc - fb)
        safe = (phi**2 < xi) & ((1.0 - phi) ** 2 < 1.0 - xi)
        share = fa / (fb - fa) * fc / (fb - fc) + (c - a) / (b - a) * fa / (fc - fa) * fb / (
            fc - fb
        )
    return np.where(safe & np.isfinite(share), share, 0.5)
