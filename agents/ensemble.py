"""An ensemble of laboratories as a belief: weights by readings, choices that the weights make."""

from __future__ import annotations

import numpy as np

from simulators.network import FloatArray, IntArray


def weigh(
    seen: FloatArray, members: FloatArray, sd: FloatArray, least: float, *, itself: bool = True
) -> FloatArray:
    """Weights of the members given readings, ``(rows, members)``; each row sums to 1.

    The likelihood is raised to the largest power in (0, 1] that leaves ``least`` effective members
    to half of the rows: some hundred members cannot hold a posterior of twenty hidden figures.

    Args:
        seen: Readings, ``(rows, readings)``.
        members: Readings of the members, ``(members, readings)``.
        sd: Standard deviations, ``(readings,)``.
        least: Effective number of members.
        itself: Whether row ``n`` may count on member ``n``.
    """
    squared = np.zeros((len(seen), len(members)))
    for k in range(members.shape[1]):
        squared += ((seen[:, k : k + 1] - members[None, :, k]) / sd[k]) ** 2
    if not itself:
        np.fill_diagonal(squared, np.inf)
    squared -= squared.min(axis=1, keepdims=True)

    def at(power: float) -> FloatArray:
        weights = np.exp(-0.5 * power * squared)
        return weights / weights.sum(axis=1, keepdims=True)

    def enough(power: float) -> bool:
        return float(np.median(1.0 / (at(power) ** 2).sum(axis=1))) >= least

    if enough(1.0):
        return at(1.0)
    low, high = 0.0, 1.0
    for _ in range(24):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if enough(middle) else (low, middle)
    return at(low) if low > 0.0 else at(high)


def cautious(weights: FloatArray, gains: FloatArray, caution: float) -> FloatArray:
    """Weighted mean gain less some standard errors, ``(rows, ways)``."""
    mean = weights @ gains
    squares = weights**2
    spread = squares @ gains**2 - 2.0 * mean * (squares @ gains)
    spread += mean**2 * squares.sum(axis=1, keepdims=True)
    return mean - caution * np.sqrt(np.maximum(spread, 0.0))


def choose_for_each(weights: FloatArray, returns: FloatArray) -> FloatArray:
    """What each member gets from the way that the weighted others like best, ``(members,)``."""
    pick = np.argmax(weights @ returns, axis=1)
    return returns[np.arange(len(returns)), pick]


def diverse(returns: FloatArray, count: int) -> IntArray:
    """Ways that together serve the members best, found greedily; the first is always kept.

    Args:
        returns: ``(members, ways)``.
        count: How many.
    """
    kept, best = [0], returns[:, 0].copy()
    while len(kept) < min(count, returns.shape[1]):
        served = np.maximum(returns, best[:, None]).mean(axis=0)
        served[kept] = -np.inf
        kept.append(int(np.argmax(served)))
        best = np.maximum(best, returns[:, kept[-1]])
    return np.array(kept, dtype=np.int64)
