"""Compiled loops of an update: masked heads, and a query against the slots of a shelf.

All arrays are C-contiguous; rows are samples. Every function stands in this file alone, so that the
cache on disk, which looks at one file, never outlives a change.
"""

from __future__ import annotations

import math
from typing import Any

from envs.compiled import compiled

LOWEST = -80.0
"""No logit counts for less, below the highest of its head: exp of lower ones underflows, which
takes the processor fifty times as long."""


@compiled
def score_heads(
    logits: Any, allowed: Any, starts: Any, actions: Any, log_prob: Any, entropy: Any
) -> None:
    """Logarithm of the probability of actions and entropies, summed over the heads.

    Args:
        logits: (rows, options) float32.
        allowed: (rows, options) boolean; a head of which nothing is allowed counts as free.
        starts: (heads + 1,) first option of each head, and the number of all.
        actions: (rows, heads) int64.
        log_prob: (rows,) float32, written.
        entropy: (rows,) float32, written.
    """
    for row in range(logits.shape[0]):
        told = uncertain = 0.0
        for head in range(starts.size - 1):
            first, last = starts[head], starts[head + 1]
            count, highest = 0, -math.inf
            for n in range(first, last):
                if allowed[row, n]:
                    count += 1
                    highest = max(highest, logits[row, n])
            chosen = first + actions[row, head]
            if count == 1 and allowed[row, chosen]:
                continue  # certain
            if count == 0:
                for n in range(first, last):
                    highest = max(highest, logits[row, n])
            total = mean = 0.0
            for n in range(first, last):
                if allowed[row, n] or count == 0:
                    shifted = max(logits[row, n] - highest, LOWEST)
                    weight = math.exp(shifted)
                    total += weight
                    mean += weight * shifted
            spread = math.log(total)
            if allowed[row, chosen] or count == 0:
                told += max(logits[row, chosen] - highest, LOWEST) - spread
            else:
                told += LOWEST - spread
            uncertain += spread - mean / total
        log_prob[row], entropy[row] = told, uncertain


@compiled
def pull_heads(
    logits: Any, allowed: Any, starts: Any, actions: Any, by_prob: Any, by_entropy: Any, out: Any
) -> None:
    """Gradient of the logits for those of ``score_heads``; ``out``, (rows, options), is written."""
    for row in range(logits.shape[0]):
        for head in range(starts.size - 1):
            first, last = starts[head], starts[head + 1]
            count, highest = 0, -math.inf
            for n in range(first, last):
                out[row, n] = 0.0
                if allowed[row, n]:
                    count += 1
                    highest = max(highest, logits[row, n])
            chosen = first + actions[row, head]
            if count == 1 and allowed[row, chosen]:
                continue
            if count == 0:
                for n in range(first, last):
                    highest = max(highest, logits[row, n])
            total = mean = 0.0
            for n in range(first, last):
                if allowed[row, n] or count == 0:
                    shifted = max(logits[row, n] - highest, LOWEST)
                    weight = math.exp(shifted)
                    out[row, n] = weight
                    total += weight
                    mean += weight * shifted
            mean /= total
            for n in range(first, last):
                if allowed[row, n] or count == 0:
                    shifted = max(logits[row, n] - highest, LOWEST)
                    pull = by_prob[row] + by_entropy[row] * (shifted - mean)
                    out[row, n] = -out[row, n] / total * pull
            if allowed[row, chosen] or count == 0:
                out[row, chosen] += by_prob[row]


@compiled
def draw_heads(logits: Any, allowed: Any, starts: Any, chances: Any, actions: Any) -> None:
    """One draw per row and head: the race of exponential times.

    Args:
        logits: (rows, options) float32.
        allowed: (rows, options) boolean.
        starts: (heads + 1,).
        chances: (rows, options) float32, uniform from 0 to 1.
        actions: (rows, heads) int64, written.
    """
    for row in range(logits.shape[0]):
        for head in range(starts.size - 1):
            first, last = starts[head], starts[head + 1]
            count, highest, only = 0, -math.inf, first
            for n in range(first, last):
                if allowed[row, n]:
                    count += 1
                    only = n
                    highest = max(highest, logits[row, n])
            if count == 1:
                actions[row, head] = only - first
                continue
            if count == 0:
                for n in range(first, last):
                    highest = max(highest, logits[row, n])
            best, winner = -1.0, first
            for n in range(first, last):
                if allowed[row, n] or count == 0:
                    # A chance of 0 never wins, one of 1 (rounded) always does.
                    wait = -math.log(max(chances[row, n], 1e-45))
                    speed = math.exp(max(logits[row, n] - highest, LOWEST))
                    if speed > best * wait:
                        best, winner = speed / max(wait, 1e-30), n
            actions[row, head] = winner - first


@compiled
def point(slots: Any, query: Any, out: Any) -> None:
    """Each slot times the query of its row.

    Args:
        slots: (rows, slots, width) float32; the width is a multiple of 4 or the rest is slow.
        query: (rows, width).
        out: (rows, slots), written.
    """
    rows, many, width = slots.shape
    whole = width - width % 4
    for row in range(rows):
        for slot in range(many):
            a = b = c = d = query[row, 0] * 0
            for k in range(0, whole, 4):
                a += slots[row, slot, k] * query[row, k]
                b += slots[row, slot, k + 1] * query[row, k + 1]
                c += slots[row, slot, k + 2] * query[row, k + 2]
                d += slots[row, slot, k + 3] * query[row, k + 3]
            for k in range(whole, width):
                a += slots[row, slot, k] * query[row, k]
            out[row, slot] = (a + b) + (c + d)


@compiled
def pull_query(slots: Any, by_logit: Any, out: Any) -> None:
    """Gradient of the query of ``point``: slots (rows, slots, width) weighted by theirs."""
    rows, many, width = slots.shape
    for row in range(rows):
        for k in range(width):
            out[row, k] = 0
        for slot in range(many):
            share = by_logit[row, slot]
            for k in range(width):
                out[row, k] += share * slots[row, slot, k]


@compiled
def pull_slots(slots: Any, query: Any, by_logit: Any, by_mean: Any, out: Any) -> None:
    """Gradient before the last tanh of the slots: through the query and through their mean.

    Args:
        slots: (rows, slots, width), what the tanh made.
        query: (rows, width).
        by_logit: (rows, slots) gradient of what ``point`` wrote.
        by_mean: (rows, width) gradient of the sum over the slots.
        out: (rows, slots, width), written.
    """
    rows, many, width = slots.shape
    for row in range(rows):
        for slot in range(many):
            share = by_logit[row, slot]
            for k in range(width):
                y = slots[row, slot, k]
                out[row, slot, k] = (by_mean[row, k] + share * query[row, k]) * (1 - y * y)
