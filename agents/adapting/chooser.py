"""Whoever chooses the next sample of each of L laboratories, from what was seen so far."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from agents.adapting.truth import Seen
from agents.adapting.twin import Twin, bonus_of
from simulators.network import FloatArray, IntArray


class Chooser(Protocol):
    """Makes experiments one after the other in several laboratories at once, each for itself."""

    name: str

    def choose(self) -> IntArray:
        """The next plan of each laboratory as actions, ``(L, decisions, heads)``."""
        ...

    def learn(self, seen: Seen) -> None:
        """What the chosen samples looked like, one row per laboratory."""
        ...


class Base(Chooser, Protocol):
    """A policy that an adapting one starts from."""

    def learn_of(self, actions: IntArray, seen: Seen) -> None:
        """Takes in samples that somebody else chose, ``(L, decisions, heads)`` and L rows."""
        ...


class FixedChooser:
    """The same plan for ever.

    Args:
        name: As it is shown.
        twin: Gives the plan its actions.
        genes: The plan, ``(genes,)``.
        laboratories: How many.
    """

    def __init__(self, name: str, twin: Twin, genes: IntArray, laboratories: int) -> None:
        self.name = name
        self._actions = np.repeat(twin.plans.actions(genes[None]), laboratories, axis=0)

    def choose(self) -> IntArray:
        """As of ``Chooser``."""
        return self._actions

    def learn(self, seen: Seen) -> None:
        """Learns nothing."""

    def learn_of(self, actions: IntArray, seen: Seen) -> None:
        """Learns nothing."""


def seen_value(twin: Twin, seen: Seen) -> FloatArray:
    """The return as the laboratory can tell it, ``(L,)``.

    The yield is the smallest share of a cation that the scan finds in the target; the bonus is the
    smoothed one of the scanned purity.
    """
    cation, molar_mass = twin.problem.rules.desk.cation, twin.problem.rules.net.molar_mass
    per_gram = (cation / molar_mass[None])[:, : len(twin.solid_names)]
    total = seen.fractions @ per_gram.T
    within = seen.fractions[:, twin.target, None] * per_gram[None, :, twin.target]
    share = (within / np.maximum(total, 1e-12)).min(axis=1)
    # What has no name holds cations too; taken as if it held them as the rest does.
    share = share * (1.0 - seen.other)
    purity = seen.fractions[:, twin.target]
    rest = np.delete(seen.fractions, twin.target, axis=1).max(axis=1)
    return share * purity**2 + bonus_of(purity, np.maximum(rest, seen.other)) - seen.cost
