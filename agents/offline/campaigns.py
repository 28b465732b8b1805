"""Campaigns as episodes: what a journal says was done and seen, choice by choice.

Each finished sample is followed in the twin's mirror (``envs.mirror``), as a trained policy would
have followed it: real scans in place of simulated ones, and what earlier samples said about the
bottles. Rewards are what was *measured* less what was paid, all at the last choice; truth is hidden
from a campaign and stays so. Nobody knows how probable the choices were.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.ledger import Ledger
from agents.offline.behaviour import source_of
from agents.offline.episodes import Episodes
from agents.plans import STOP, Plans
from envs.mirror import Mirror
from envs.tables import (
    BONUS,
    BONUS_BOUND,
    BONUS_IMPURITY,
    BONUS_PURITY,
    BOUND_SIGMAS,
    VERB,
)
from sdl.chemistry.system import ChemicalSystem, load_system
from sdl.core.errors import ConfigError, PolicyError
from sdl.core.event import Accepted, Event, EventKind, Finished, Observed
from sdl.core.event import Proposed as ProposedEvent
from sdl.core.material import Observation
from sdl.core.proposal import Result
from sdl.core.recipe import Characterise, Continue, Mix, Step, Stop
from sdl.tasks.task import Task


@dataclass(frozen=True)
class Exported:
    """A campaign as episodes.

    Attributes:
        episodes: One per sample that could be followed.
        snapped: Samples whose steps were moved to the nearest choices of the environment.
        left_out: Samples that no choices stand for, with the reason.
    """

    episodes: Episodes
    snapped: tuple[str, ...]
    left_out: dict[str, str]


@dataclass
class _Sample:
    """What the journal holds of one sample."""

    result: Result
    scans: list[Observation]
    known: int
    """Results that its proposal could know."""


def campaign_logs(events: Iterable[Event], task: Task, *, name: str, policy: str) -> Exported:
    """The samples of a campaign as episodes.

    Args:
        events: Of the journal, in order.
        task: Of the campaign; about purity, with a search space.
        name: Of the data set.
        policy: Who proposed, in words.

    Raises:
        ConfigError: The task cannot be played choice by choice, or no sample could be followed.
    """
    if task.objective is not None or task.space is None:
        raise ConfigError(
            "this campaign has no episodes",
            got=f"task {task.name}",
            allowed="tasks about purity with a search space",
            do="export a campaign of another task",
        )
    samples, results = _samples(events)
    mirror, system = Mirror(task), load_system(task.system)
    plans = Plans(mirror.problem.choices)
    kept: list[dict[str, Any]] = []
    snapped, left_out = list[str](), dict[str, str]()
    for sample in samples:
        label = sample.result.sample
        try:
            steps, moved = _on_grid(sample, mirror, plans)
            episode = _follow(mirror, sample, steps, results[: sample.known])
        except (PolicyError, ConfigError) as err:
            left_out[label] = f"{err.what} (got {err.got})"
            continue
        if moved:
            snapped.append(label)
        observation = sample.result.observation
        worth = 0.0 if observation is None else measured_worth(observation, task, system)
        episode["rewards"][-1] = worth - sample.result.cost
        kept.append(episode)
    if not kept:
        raise ConfigError(
            "no sample of this campaign can be told as an episode",
            got=next(iter(left_out.values()), "no finished sample"),
            do="export a campaign with finished samples of purity",
        )
    source = source_of(mirror, name=name, behaviour=policy, tasks={task.name: task.hash})
    return Exported(_joined(source, kept), tuple(snapped), left_out)


def measured_worth(observation: Observation, task: Task, system: ChemicalSystem) -> float:
    """What a scan says a sample is worth, prices left out.

    The yield is the smallest share, over the target's cations, of what the scan sees of them that
    stands in the target: what evaporated before the scan does not show.

    Args:
        observation: The last scan.
        task: With the target.
        system: With the composition of the phases.
    """
    found = observation.phases.get(task.target.phase or "")
    if found is None:
        return 0.0
    purity = float(np.clip(found.weight_fraction, 0.0, 1.0))
    moles: dict[str, float] = {}
    target: dict[str, float] = {}
    phases = {phase.name: phase for phase in system.phases}
    for name, amount in observation.phases.items():
        phase = phases.get(name)
        if phase is None:  # named from another system: of unknown use to this one
            continue
        for element, count in phase.composition.items():
            held = count * max(amount.weight_fraction, 0.0) / phase.molar_mass_g_per_mol
            moles[element] = moles.get(element, 0.0) + held
            if name == task.target.phase:
                target[element] = held
    cations = [e for e in target if e not in ("O", "C", "H", "N", "Cl")]
    share = min((target[e] / moles[e] for e in cations if moles[e] > 0.0), default=0.0)
    others = [a.weight_fraction for n, a in observation.phases.items() if n != task.target.phase]
    bound = purity - BOUND_SIGMAS * found.sigma
    pure = purity >= BONUS_PURITY and max(others, default=0.0) <= BONUS_IMPURITY
    return share * purity**2 + (BONUS if pure and bound >= BONUS_BOUND else 0.0)


def _samples(events: Iterable[Event]) -> tuple[list[_Sample], tuple[Result, ...]]:
    """Finished samples, and all results in the order in which they finished."""
    ledger, known_at = Ledger(), dict[str, int]()
    proposal_of, scans = dict[str, str](), dict[str, list[Observation]]()
    found: list[_Sample] = []
    for event in events:
        if event.kind is EventKind.PROPOSED:
            known_at[event.read(ProposedEvent).proposal.id] = len(ledger.results)
        elif event.kind is EventKind.ACCEPTED:
            accepted = event.read(Accepted)
            proposal_of[accepted.sample] = accepted.proposal
        elif event.kind is EventKind.OBSERVED:
            seen = event.read(Observed).observation
            if seen.reading is None:
                scans.setdefault(seen.sample, []).append(seen)
        ledger.ingest(event)
        if event.kind is EventKind.FINISHED:
            result = ledger.results[-1] if ledger.results else None
            name = event.read(Finished).sample
            if result is not None and result.sample == name and result.observation is not None:
                known = known_at.get(proposal_of.get(name, ""), 0)
                found.append(_Sample(result, scans.get(name, []), known))
    return found, ledger.results


def _on_grid(sample: _Sample, mirror: Mirror, plans: Plans) -> tuple[tuple[Step, ...], bool]:
    """The steps as the environment has them, and whether they had to be moved.

    Raises:
        PolicyError: No plan of the environment is near.
    """
    steps = tuple(s for s in sample.result.recipe.steps if not isinstance(s, Continue))
    if not isinstance(steps[-1], Stop):
        if not isinstance(steps[-1], Characterise) or steps[-1].scan_min != 8.0:
            steps = (*steps, Characterise(scan_min=8.0))
        steps = (*steps, Stop())
    try:
        mirror.problem.choices.actions(steps)
    except PolicyError:
        decisions = plans.actions(plans.snap(steps)[None])[0]
        last = int(np.argmax(decisions[:, VERB] == STOP))
        return tuple(mirror.problem.choices.steps(decisions[: last + 1])), True
    return steps, False


def _follow(
    mirror: Mirror, sample: _Sample, steps: Sequence[Step], before: Sequence[Result]
) -> dict[str, Any]:
    """One sample in the mirror, choice by choice.

    Raises:
        PolicyError: A step is forbidden or does not end the sample where the journal does.
    """
    mirror.forget()
    made = 0
    for result in before:
        observation = result.observation
        if observation is None or not observation.phases:
            continue
        made += 1
        mix = next((s for s in result.recipe.steps if isinstance(s, Mix)), None)
        if mix is not None and observation.quality == "good":
            try:
                mirror.learn(mix, observation)
            except PolicyError:  # a mix off the grid says nothing that the mirror could use
                continue
    mirror.begin(made, mirror.problem.furnace_hours)
    scans, first = list(sample.scans), np.cumsum([0, *mirror.nvec[:-1]])
    parts: dict[str, list[Any]] = {"observations": [], "masks": [], "actions": []}
    ended, final = False, mirror.observations[0].copy()
    groups = [*steps[:-2], steps[-2:]]  # a stop goes with its scan
    for group in groups:
        inner = group if isinstance(group, tuple) else (group,)
        choices = mirror.spelling.actions(inner, mirror.order[0])
        for choice in choices:
            mask = mirror.action_masks()[0].copy()
            if ended or not mask[choice + first].all():
                raise PolicyError(
                    "the environment forbids a step of this sample", got=inner[0].kind
                )
            parts["observations"].append(mirror.observations[0].copy())
            parts["masks"].append(mask)
            parts["actions"].append(choice)
            info = mirror.step(choice[None])[4]
            ended = mirror.ended
            final = np.array(info["final_observation"][0])
        if isinstance(inner[0], Characterise) and not ended and scans:
            scan = scans.pop(0)
            mirror.see(scan if scan.quality == "good" and scan.phases else None)
    if not ended:
        raise PolicyError("this sample does not end in the environment", got=steps[-1].kind)
    return {**parts, "final": final, "rewards": np.zeros(len(parts["actions"]))}


def _joined(source: Any, kept: Sequence[dict[str, Any]]) -> Episodes:
    """Episodes of samples, one after another."""
    lengths = [len(each["actions"]) for each in kept]
    return Episodes(
        source,
        np.concatenate([np.stack(each["observations"]) for each in kept]).astype(np.float32),
        np.stack([each["final"] for each in kept]).astype(np.float32),
        np.concatenate([np.stack(each["masks"]) for each in kept]).astype(np.bool_),
        np.concatenate([np.stack(each["actions"]) for each in kept]).astype(np.int64),
        np.concatenate([each["rewards"] for each in kept]),
        np.full(sum(lengths), np.nan),
        np.cumsum([0, *lengths]).astype(np.int64),
    )
