"""Calibration of the twin: prior ensemble, smoother, figures on fitted and on held-out rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sdl.core.errors import ModelError
from sdl.core.model import Frozen, content_hash
from surrogates.observed import Noise, readings
from surrogates.outcomes import Experiment, outcomes_hash, split
from surrogates.scores import Comparison, compare, predicted
from surrogates.smoother import Smoothed, SmootherConfig, smooth
from surrogates.twin import Twin
from surrogates.twin_belief import TwinBelief

Array = npt.NDArray[np.float64]


class CalibrationConfig(Frozen):
    """Everything a calibration depends on beside twin, outcomes and key."""

    members: Annotated[int, Field(ge=3, le=10_000)] = 200
    smoother: SmootherConfig = SmootherConfig()
    noise: Noise = Noise()
    labels: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Phases of the twin that a measured label stands for; others are phases themselves."""
    target: str | None = None
    """Label whose ranking is scored."""


@dataclass(frozen=True)
class Calibration:
    """A belief and how it was found.

    Attributes:
        belief: The posterior, with metrics and hashes of what it has seen.
        prior: The belief it started from.
        smoothed: The smoother's course.
        fitted: Prior and posterior on the rows that were fitted: in-sample.
        held_out: The same on the rows that were held out; ``None`` if none were.
    """

    belief: TwinBelief
    prior: TwinBelief
    smoothed: Smoothed
    fitted: Comparison
    held_out: Comparison | None


def prior_belief(twin: Twin, members: int, *key: str | int) -> TwinBelief:
    """The belief before any outcome."""
    return TwinBelief(
        system=twin.system.name,
        system_hash=content_hash(twin.system),
        parameters=twin.parameters,
        ensemble=twin.parameters.draw(members, *key),
        lineage={"key": [str(part) for part in key]},
    )


def calibrate(
    twin: Twin,
    experiments: Sequence[Experiment],
    config: CalibrationConfig,
    *key: str | int,
    held_out: Collection[str] = (),
    prior: TwinBelief | None = None,
) -> Calibration:
    """Fits the belief to the outcomes of some groups and judges it on all.

    The held-out groups are simulated for the scores only; nothing of the fit depends on them.

    Args:
        twin: System, shelf and parameters.
        experiments: Outcomes, fitted and held out.
        config: Ensemble, smoother, noise.
        key: Words and numbers that name the run; equal keys give equal beliefs.
        held_out: Groups that are not fitted.
        prior: Where to start; drawn from the parameters' prior if absent. A posterior of earlier
            outcomes may be updated so, if the new outcomes are independent of them.

    Raises:
        ModelError: Nothing to fit, a held-out group without experiments, a prior over other
            parameters, or one that has seen some of the outcomes.
    """
    fitted, rest = split(experiments, held_out)
    absent = set(held_out) - {e.group for e in rest}
    if absent or not fitted:
        raise ModelError(
            "the groups leave nothing to fit, or hold out what is not there",
            got=f"{len(fitted)} fitted; unknown: {', '.join(sorted(absent)) or 'none'}",
        )
    start = prior or prior_belief(twin, config.members, *key)
    _check_prior(start, twin, experiments)
    smoothed, before, after = _fit(twin, start, fitted, config, key)
    belief = replace(
        start,
        ensemble=smoothed.ensemble,
        fitted=start.fitted | _seen(fitted),
        lineage={
            "key": [str(part) for part in key],
            "data": outcomes_hash(fitted),
            "config": config.model_dump(mode="json"),
            "held_out": sorted(held_out),
            "experiments": len(fitted),
            "conflicts": list(conflicts(twin, smoothed, fitted, config)),
        },
    )
    inside = _compared(twin, before, after, fitted, config, *key, "fitted")
    outside = judge(twin, start, belief, rest, config, *key, "held_out") if rest else None
    metrics = inside.metrics("fitted") | (outside.metrics("held_out") if outside else {})
    metrics |= {"misfit.first": smoothed.misfit[0], "misfit.last": smoothed.misfit[-1]}
    return Calibration(replace(belief, metrics=metrics), start, smoothed, inside, outside)


def judge(
    twin: Twin,
    prior: TwinBelief,
    posterior: TwinBelief,
    experiments: Sequence[Experiment],
    config: CalibrationConfig,
    *key: str | int,
) -> Comparison:
    """Prior and posterior on some experiments; arguments as in ``calibrate``."""
    before = twin.fractions(prior.ensemble, experiments)
    after = twin.fractions(posterior.ensemble, experiments)
    return _compared(twin, before, after, experiments, config, *key)


def conflicts(
    twin: Twin, smoothed: Smoothed, fitted: Sequence[Experiment], config: CalibrationConfig
) -> tuple[str, ...]:
    """Readings that no member of the prior comes near: more than 3 errors from the closest.

    The ensemble cannot learn from them what would be right; they point at missing physics.
    """
    data = config.noise.data(readings(fitted, twin.phases, config.labels))
    nearest = np.abs(data.residuals(smoothed.first)).min(axis=0)
    return tuple(data.names[i] for i in np.flatnonzero(nearest > 3.0 * data.sd))


def spread_kept(prior: TwinBelief, posterior: TwinBelief) -> Mapping[str, float]:
    """By parameter: posterior over prior standard deviation; 1 where the data say nothing."""
    ratio = posterior.ensemble.std(axis=0) / prior.ensemble.std(axis=0)
    return dict(zip(prior.parameters.names, ratio.tolist(), strict=True))


def _fit(
    twin: Twin,
    start: TwinBelief,
    fitted: Sequence[Experiment],
    config: CalibrationConfig,
    key: tuple[str | int, ...],
) -> tuple[Smoothed, Array, Array]:
    """The smoother's course, and the fractions of the prior and of the posterior ensemble."""
    found = readings(fitted, twin.phases, config.labels)
    simulated: list[Array] = []

    def forward(values: Array) -> Array:
        # Only the first and the last are needed again; between them nothing is kept.
        simulated[1:] = [twin.fractions(values, fitted)]
        return config.noise.scaled(found.predicted(simulated[-1]))

    smoothed = smooth(start.ensemble, forward, config.noise.data(found), config.smoother, *key)
    return smoothed, simulated[0], simulated[-1]


def _compared(
    twin: Twin,
    before: Array,
    after: Array,
    experiments: Sequence[Experiment],
    config: CalibrationConfig,
    *key: str | int,
) -> Comparison:
    found = readings(experiments, twin.phases, config.labels)
    prior = predicted(before, found, config.noise)
    posterior = predicted(after, found, config.noise)
    groups = [e.group for e in experiments]
    return compare(prior, posterior, found, groups, config.target, *key)


def _seen(experiments: Sequence[Experiment]) -> frozenset[str]:
    tables = {source for e in experiments for source in e.sources}
    return frozenset({outcomes_hash(experiments), *tables, *map(content_hash, experiments)})


def _check_prior(prior: TwinBelief, twin: Twin, experiments: Sequence[Experiment]) -> None:
    prior.check(twin.system)
    if prior.parameters != twin.parameters:
        raise ModelError(
            "the prior belief has other parameters than the twin",
            got=f"{len(prior.parameters.names)} parameters",
            allowed=f"the twin's {len(twin.parameters.names)}",
        )
    again = [e.name for e in experiments if content_hash(e) in prior.fitted]
    if again:
        raise ModelError(
            "the prior belief has seen some of these outcomes",
            got=", ".join(again),
            do="an outcome counts once: leave it out, or start from the prior",
        )
