"""Weight fractions as data: limits of detection, a scale on which errors are about normal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import log_ndtr, logsumexp

from sdl.core.errors import ModelError
from sdl.core.model import Frozen
from surrogates.outcomes import Experiment
from surrogates.smoother import ABOVE, BELOW, EXACT, Data

Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Readings:
    """Measured weight fractions of many experiments, one after the other.

    Attributes:
        names: ``EXPERIMENT/LABEL`` of each reading.
        labels: Label of each reading.
        row: Experiment of each reading, shape ``(D,)``.
        share: What each label sums, over the twin's phases, shape ``(D, S)``.
        value: Weight fractions, shape ``(D,)``.
        sigma: Their standard deviations, shape ``(D,)``.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    row: IntArray
    share: Array
    value: Array
    sigma: Array

    def predicted(self, fractions: Array) -> Array:
        """Readings without noise, shape ``(N, D)``, from fractions ``(N, experiments, S)``."""
        return np.einsum("nds,ds->nd", fractions[:, self.row], self.share)


def readings(
    experiments: Sequence[Experiment],
    phases: Sequence[str],
    labels: Mapping[str, Sequence[str]] | None = None,
) -> Readings:
    """The readings of experiments in terms of a twin's phases.

    Args:
        experiments: Names are unique.
        phases: The twin's solids, in the order of its fractions.
        labels: Phases that a label stands for, as ``YBCO`` for two oxygen contents; a label that
            is not named here is a phase.

    Raises:
        ModelError: A label stands for no phase of the twin, or two experiments have one name.
    """
    place = {phase: i for i, phase in enumerate(phases)}
    found = [
        (row, experiment.name, label, amount)
        for row, experiment in enumerate(experiments)
        for label, amount in sorted(experiment.measured.items())
    ]
    if len({e.name for e in experiments}) < len(experiments):
        raise ModelError("two experiments have one name")
    share = np.zeros((len(found), len(place)))
    for d, (_, name, label, _) in enumerate(found):
        for phase in (labels or {}).get(label, (label,)):
            if phase not in place:
                raise ModelError(
                    f"the experiment {name} measured a phase that the twin lacks",
                    got=phase,
                    allowed=", ".join(phases),
                    do="map it to phases of the twin with `labels`, or leave it out",
                )
            share[d, place[phase]] = 1.0
    return Readings(
        names=tuple(f"{name}/{label}" for _, name, label, _ in found),
        labels=tuple(label for _, _, label, _ in found),
        row=np.array([row for row, *_ in found], dtype=np.int64),
        share=share,
        value=np.array([amount.weight_fraction for *_, amount in found], dtype=np.float64),
        sigma=np.array([amount.sigma for *_, amount in found], dtype=np.float64),
    )


class Noise(Frozen):
    """How a measured weight fraction differs from that of the right twin.

    Measured = predicted + normal error, seen only between the detection limit and one minus it:
    outside, a reading says no more than that (a censored, or tobit, likelihood). The smoother
    works on ``ln((w + a) / (1 + a - w))``: conversions answer to kinetics in sigmoids, which this
    straightens, and the offset keeps zeros and ones finite.
    """

    detection: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
    """Weight fraction below which a laboratory scan does not see a phase: about 2 wt%."""
    discrepancy: Annotated[float, Field(ge=0)] = 0.05
    """Standard deviation of what even the right figures would not explain, weight fraction."""
    offset: Annotated[float, Field(gt=0)] = 0.1
    """a of the scale; 0.02 to 0.25 were tried on a kinetic toy with a known posterior, 0.1 was
    closest to it."""
    outlier_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of experiments about which a density says nothing: its phases may be anything."""

    def sd(self, found: Readings) -> Array:
        """Standard deviation of measured minus predicted, shape ``(D,)``.

        Raises:
            ModelError: A reading has no width at all.
        """
        sd = np.hypot(found.sigma, self.discrepancy)
        if (sd <= 0.0).any():
            raise ModelError(
                "a reading without error fits no twin",
                got=found.names[int(np.argmin(sd))],
                do="give it a sigma, or the noise a discrepancy",
            )
        return sd

    def kind(self, found: Readings) -> IntArray:
        """``BELOW``, ``EXACT`` or ``ABOVE`` for each reading."""
        low = np.where(found.value <= self.detection, BELOW, EXACT)
        return np.where(found.value >= 1.0 - self.detection, ABOVE, low).astype(np.int64)

    def scaled(self, fractions: Array) -> Array:
        """Weight fractions on the scale of the smoother."""
        w = np.clip(fractions, 0.0, 1.0)
        return np.log((w + self.offset) / (1.0 + self.offset - w))

    def data(self, found: Readings) -> Data:
        """Readings as data of the smoother: limits where censored, errors by the slope there."""
        kind = self.kind(found)
        limit = np.where(kind == BELOW, self.detection, 1.0 - self.detection)
        w = np.where(kind == EXACT, found.value, limit)
        slope = 1.0 / (w + self.offset) + 1.0 / (1.0 + self.offset - w)
        return Data(found.names, self.scaled(w), self.sd(found) * slope, kind)

    def log_density(self, predicted: Array, found: Readings) -> Array:
        """Log density of each reading in each member, shape ``(N, D)``; a mass where censored."""
        sd, kind = self.sd(found), self.kind(found)
        exact = -0.5 * ((found.value - predicted) / sd) ** 2
        exact -= np.log(sd) + 0.5 * math.log(2.0 * math.pi)
        below = log_ndtr((self.detection - predicted) / sd)
        above = log_ndtr((predicted - (1.0 - self.detection)) / sd)
        return np.where(kind == BELOW, below, np.where(kind == ABOVE, above, exact))

    def log_predictive(self, predicted: Array, found: Readings, rows: int) -> Array:
        """Log density of all readings of each experiment under the ensemble, shape ``(rows,)``.

        A mixture over the members, each with the noise; with an outlier share, a mixture of that
        with one third each for "not seen", "nothing else" and anything between.
        """
        each = self.log_density(predicted, found)
        member_of = np.equal.outer(found.row, np.arange(rows)).astype(np.float64)
        joint = each @ member_of
        mixture = np.asarray(logsumexp(joint, axis=0)) - math.log(len(predicted))
        if self.outlier_share == 0.0:
            return mixture
        count = np.bincount(found.row, minlength=rows)
        return np.logaddexp(
            math.log1p(-self.outlier_share) + mixture,
            math.log(self.outlier_share) - count * math.log(3.0),
        )
