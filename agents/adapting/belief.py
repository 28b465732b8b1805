"""A belief about laboratories as ensembles of coordinates, moved by what samples looked like.

The prior is wider than the task's: half of the members are drawn with twice the deviations, and
what can be wrong as a whole - all rates, all barriers, all grains, all thermocouples - is partly
wrong together. After each sample the ensemble is moved by a smoother's step with perturbed data
(Emerick and Reynolds' multiple data assimilation, see ``surrogates.smoother``), whose errors hold
what the scan reports and, beside it, what no laboratory of the believed structure can explain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.adapting.hidden_space import HiddenSpace, Kind
from agents.adapting.truth import Seen
from agents.adapting.twin import Runs, Twin
from sdl.core.seeds import generator
from simulators.network import FloatArray, IntArray

TOGETHER: tuple[Kind, ...] = ("ln_k", "activation", "particle", "offset")
"""Kinds that are partly wrong together."""
WIDENED: tuple[Kind, ...] = (*TOGETHER, "assay")
SIDE_KINDS: tuple[Kind, ...] = ("side_speed", "side_back", "side_drive")
CLOSED = -10.0
"""Coordinate of the speed of a phase that is not believed in: it never forms."""
UNKNOWN_SD = 1e6
"""Error of what was not measured."""


@dataclass(frozen=True)
class BeliefSettings:
    """Sizes and errors of a belief.

    Attributes:
        members: Laboratories of an ensemble.
        steps: Steps in which one sample's data are taken in.
        wide: Factor on the deviations of every second member.
        shared: Part of a kind's deviation that is common to all its coordinates.
        own: Part that is each coordinate's own.
        fraction_sd: Model error of a weight fraction, beside what the scan reports.
        relative_sd: The same as a share of what is missing to 0 or 1.
        strange: Model error of every fraction per weight fraction of phases without a name.
        other_sd: Error of that fraction itself: scans do not say how well they know it.
        noticed: Weight fraction from which on such a phase is believed in.
        mass_sd: Model error of the mass, as a share of what was weighed in.
        jitter: Deviation that each coordinate regains after a sample.
        guard: Standard errors of a correlation by chance that are cut, as in the smoother.
    """

    members: int = 60
    steps: int = 2
    wide: float = 2.0
    shared: float = 0.9
    own: float = 0.8
    fraction_sd: float = 0.008
    relative_sd: float = 0.05
    strange: float = 0.5
    other_sd: float = 0.03
    noticed: float = 0.02
    mass_sd: float = 0.003
    jitter: float = 0.05
    guard: float = 1.0


def prior_members(space: HiddenSpace, count: int, settings: BeliefSettings, *key: str | int) -> (
    FloatArray
):  # fmt: skip
    """Coordinates of the widened prior, ``(count, D)``."""
    rng = generator("adaptive-prior", *key)
    z = rng.standard_normal((count, len(space)))
    wide = np.where(np.arange(count) % 2 == 0, 1.0, settings.wide)
    for kind in WIDENED:
        places = space.places(kind)
        if kind in TOGETHER:
            common = rng.standard_normal((count, 1))
            z[:, places] = settings.shared * common + settings.own * z[:, places]
        z[:, places] *= wide[:, None]
    return z


def closed(z: FloatArray, space: HiddenSpace) -> FloatArray:
    """The same coordinates without a phase that nobody has named."""
    found = z.copy()
    found[..., space.places("side_speed")] = CLOSED
    return found


class Belief:
    """Ensembles of L laboratories, ``(L, M, D)``.

    A phase without a name enters the belief about a laboratory with the first scan that shows one:
    before, its many rates would only blur what the other data say.

    Args:
        twin: The believed chemistry.
        laboratories: How many are believed about, each for itself.
        settings: Sizes and errors.
        key: Names the draws.
    """

    def __init__(
        self, twin: Twin, laboratories: int, settings: BeliefSettings, *key: str | int
    ) -> None:
        self._twin, self._settings, self._key = twin, settings, key
        one = prior_members(twin.space, settings.members, settings, *key)
        self._side = np.array([p for k in SIDE_KINDS for p in twin.space.places(k)], dtype=int)
        self._unnamed = one[:, self._side].copy()
        self.open = np.zeros(laboratories, dtype=np.bool_)
        self.z = closed(np.repeat(one[None], laboratories, axis=0), twin.space)
        self.samples = 0

    @property
    def centre(self) -> FloatArray:
        """Means of the ensembles, ``(L, D)``."""
        return self.z.mean(axis=1)

    def learn(self, genes: IntArray, seen: Seen) -> None:
        """Takes in one finished sample of each laboratory.

        Args:
            genes: Its plan, ``(L, genes)``.
            seen: What it looked like, L rows.
        """
        asked = self._settings
        count, members, width = self.z.shape
        rng = generator("adaptive-noise", *self._key, self.samples)
        shown = (seen.other > asked.noticed) & ~self.open & self._twin.unnamed
        self.z[np.ix_(shown, np.arange(members), self._side)] = self._unnamed
        self.open |= shown
        data, sd = self._data(seen)
        for _ in range(asked.steps):
            flat = self.z.reshape(-1, width)
            runs = self._twin.run(flat, np.repeat(genes, members, axis=0))
            predicted = self._columns(runs, seen.other, members)
            noise = rng.standard_normal((members, data.shape[1]))
            noise -= noise.mean(axis=0)
            moved = [
                _moved(self.z[n], predicted[n], data[n], sd[n], noise, asked) for n in range(count)
            ]
            self.z = np.stack(moved)
        self.z = self.z + asked.jitter * rng.standard_normal((members, width))
        self.z[~self.open] = closed(self.z[~self.open], self._twin.space)
        self.samples += 1

    def _data(self, seen: Seen) -> tuple[FloatArray, FloatArray]:
        """What was measured and its error, ``(L, data)`` each."""
        asked = self._settings
        left = np.minimum(seen.fractions, 1.0 - seen.fractions)
        model = np.hypot(asked.fraction_sd, asked.relative_sd * np.maximum(left, 0.0))
        # A powder that holds what the network does not know teaches less about the rest.
        model = np.hypot(model, asked.strange * seen.other[:, None])
        sd = np.hypot(seen.sigma, model)
        weighed = np.isfinite(seen.mass)[:, None]
        mass = np.where(weighed, seen.mass[:, None], 0.0)
        mass_sd = np.where(weighed, asked.mass_sd, UNKNOWN_SD)
        other_sd = np.full((len(seen.other), 1), asked.other_sd)
        return (
            np.hstack([seen.fractions, seen.other[:, None], mass]),
            np.hstack([sd, other_sd, mass_sd]),
        )

    def _columns(self, runs: Runs, other: FloatArray, members: int) -> FloatArray:
        """Predictions as the scan would name them, ``(L, M, data)``.

        Where no phase without a name is believed in, what the scan calls by none takes its share
        from all that it knows.
        """
        shape = (len(other), members)
        named = np.where(self.open, 1.0, 1.0 - other)
        matter = runs.matter.reshape(*shape, -1) * named[:, None, None]
        rest = [runs.other.reshape(*shape, 1), runs.mass.reshape(*shape, 1)]
        return np.concatenate([matter, *rest], axis=2)


def _moved(
    z: FloatArray,
    predicted: FloatArray,
    data: FloatArray,
    sd: FloatArray,
    noise: FloatArray,
    asked: BeliefSettings,
) -> FloatArray:
    """One ensemble after one step with inflated errors, ``(M, D)``."""
    freedom, factor = len(z) - 1, float(asked.steps)
    telling = predicted.std(axis=0) > 1e-9
    if not telling.any():
        return z
    predicted, data, sd = predicted[:, telling], data[telling], sd[telling]
    x = z - z.mean(axis=0)
    d = (predicted - predicted.mean(axis=0)) / sd
    cross = x.T @ d / freedom
    inner = d.T @ d / freedom + factor * np.eye(len(sd))
    gain = np.linalg.solve(inner, cross.T).T * _trust(x, d, asked.guard)
    wrong = (data - predicted) / sd + np.sqrt(factor) * noise[:, telling]
    return z + wrong @ gain.T


def _trust(x: FloatArray, d: FloatArray, guard: float) -> FloatArray:
    """Factor on the gain against correlations by chance, as in ``surrogates.smoother``."""
    unit_x = x / np.maximum(np.sqrt((x**2).sum(axis=0)), 1e-12)
    unit_d = d / np.maximum(np.sqrt((d**2).sum(axis=0)), 1e-12)
    squared = np.clip((unit_x.T @ unit_d) ** 2, 1e-12, 1.0)
    cut = guard**2 * (1.0 - squared) ** 2 / ((len(x) - 1) * squared)
    return np.clip(1.0 - cut, 0.0, 1.0)
