"""Whether and what to ask a policy: budget, stop rules, approval, repeats. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sdl.campaign.claim import Claim, claims
from sdl.campaign.config import ApproveAbove, ApproveFirst, CampaignConfig
from sdl.campaign.costs import planned_furnace_hours
from sdl.campaign.goal import Goal
from sdl.campaign.state import CampaignState
from sdl.core.capabilities import Capabilities
from sdl.core.errors import PolicyError
from sdl.core.event import Stopped, Violation
from sdl.core.proposal import Budget, Proposal
from sdl.core.recipe import Anneal, Measure
from sdl.tasks.task import Task

_REPEATS = 1
"""How often a task's goal must be repeated to count as reached."""

MAX_VETOES = 20
"""Refusals in a row after which a policy is given up."""


def budget_left(state: CampaignState, config: CampaignConfig, task: Task) -> Budget:
    """Experiments not yet accepted or proposed, and furnace hours not yet spent or planned."""
    experiments, hours = config.budget.experiments, config.budget.furnace_hours
    experiments = task.budget.experiments if experiments is None else experiments
    hours = task.budget.furnace_hours if hours is None else hours
    spent = sum(f.event.furnace_hours for f in state.finished.values())
    planned = sum(planned_furnace_hours(p.recipe) for p in state.pending())
    return Budget(
        experiments=experiments - state.accepted - len(state.undecided),
        furnace_hours=hours - spent - planned,
    )


def goal_reached(state: CampaignState, config: CampaignConfig, task: Task) -> Stopped | None:
    """The end of a campaign whose goal was measured and confirmed, or ``None``."""
    stop = config.stop
    for claim in _claims(state, config, task):
        if stop is not None and claim.confirmed(stop.repeats):
            return Stopped(
                reason=f"{Goal.of(task, stop).words()} by the recipe of "
                f"{claim.first_sample}, independent repeats: {claim.hits - 1}",
                success=True,
            )
    return None


def reason_to_stop(state: CampaignState, config: CampaignConfig, task: Task) -> Stopped | None:
    """Why no new sample should be begun, or ``None``."""
    if state.vetoes_in_row >= MAX_VETOES:
        reason = f"{MAX_VETOES} proposals in a row were refused, the last: {state.last_refusal}"
        return Stopped(reason=reason, success=_made(state, task))
    reached = goal_reached(state, config, task)
    if reached is not None:
        return reached
    left = budget_left(state, config, task)
    if left.experiments <= 0:
        return Stopped(reason="the budget of experiments is spent", success=_made(state, task))
    if left.furnace_hours <= 0:
        return Stopped(reason="the budget of furnace hours is spent", success=_made(state, task))
    return None


def _made(state: CampaignState, task: Task) -> bool:
    """Whether the task's goal was measured, with nothing unexplained, and repeated once."""
    found = claims(state.policy_results(), Goal.of(task))
    return any(claim.confirmed(_REPEATS) for claim in found)


def beyond_means(
    proposal: Proposal,
    state: CampaignState,
    config: CampaignConfig,
    task: Task,
    capabilities: Capabilities,
) -> tuple[Violation, ...]:
    """What a waiting proposal needs beyond what is left: furnace hours, powder on the shelf."""
    if capabilities.pool:
        return ()
    found: list[Violation] = []
    waiting = list(state.undecided)
    later = waiting[waiting.index(proposal.id) :]
    claimed = sum(planned_furnace_hours(state.undecided[name].recipe) for name in later)
    left_h = budget_left(state, config, task).furnace_hours + claimed
    needed_h = planned_furnace_hours(proposal.recipe)
    if needed_h > left_h:
        message = f"{needed_h:.1f} h of furnace time; left: {max(left_h, 0.0):.1f} h"
        found.append(Violation(rule="furnace-hours", message=message))
    used: Counter[str] = Counter()
    for recipe in state.accepted_recipes():
        for dose in recipe.doses():
            used[dose.lot] += dose.mass_mg  # pyright: ignore[reportArgumentType]
    for dose in proposal.recipe.doses():
        lot = capabilities.lot(dose.lot)
        if lot is not None and used[dose.lot] + dose.mass_mg > lot.stock_mg:
            left_mg = max(lot.stock_mg - used[dose.lot], 0.0)
            message = f"{dose.mass_mg:g} mg of {dose.lot}; left on the shelf: {left_mg:g} mg"
            found.append(Violation(rule="lot-stock", message=message))
    return tuple(found)


def _claims(state: CampaignState, config: CampaignConfig, task: Task) -> tuple[Claim, ...]:
    if config.stop is None:
        return ()
    return claims(state.policy_results(), Goal.of(task, config.stop))


def repeat_proposal(state: CampaignState, config: CampaignConfig, task: Task) -> Proposal | None:
    """An independent repeat of the first recipe that reached the goal, if one is due.

    One at a time: a second winner is repeated only if the first could not be confirmed.
    """
    stop = config.stop
    if stop is None:
        return None
    waiting = [p.recipe for p in state.pending()]
    for claim in _claims(state, config, task):
        if claim.open(stop.repeats):
            if claim.recipe in waiting:
                return None
            return Proposal(
                id=f"P{len(state.proposals) + 1}",
                target=task.target,
                recipe=claim.recipe,
                reason=f"repeat of {claim.first_sample}: a claim of "
                f"{Goal.of(task, stop).words()} needs an independent confirmation",
                policy="campaign",
            )
    return None


def blocks_others(config: CampaignConfig) -> bool:
    """Whether a proposal that waits for a person holds back those behind it.

    Who wants to see the first samples means: before any other is made. Who wants to see the hot
    ones does not mind the cold ones.
    """
    return isinstance(config.approve, ApproveFirst)


def needs_approval(proposal: Proposal, config: CampaignConfig) -> bool:
    """Whether a person must let this proposal through."""
    match config.approve:
        case ApproveFirst(first=first):
            return int(proposal.id[1:]) <= first
        case ApproveAbove(above_c=above_c):
            steps = (s for s in proposal.recipe.steps if isinstance(s, Anneal | Measure))
            return any(s.temperature_c > above_c for s in steps)
        case rule:
            return rule == "all"


def check_proposals(
    proposals: Sequence[Proposal], policy: str, next_id: int, free_slots: int
) -> None:
    """Refuses an answer that does not fit the question.

    Raises:
        PolicyError: Too many proposals, or numbered wrongly.
    """
    ids = [p.id for p in proposals]
    if ids != [f"P{next_id + i}" for i in range(len(ids))] or len(ids) > free_slots:
        raise PolicyError(
            f"the policy {policy} made too many proposals or numbered them wrongly",
            got=", ".join(ids),
            allowed=f"at most {free_slots}: P{next_id}, P{next_id + 1}, ...",
            do="correct the policy",
        )
