"""A small laboratory for policy tests: a made-up twin, and the events of a campaign."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from agents.candidates import Candidates, of_points, spread
from sdl.core.event import Accepted, Event, Finished, Observed, Proposed
from sdl.core.material import Observation, PhaseAmount, SampleState
from sdl.core.proposal import Budget, PendingSample, Proposal, Request, Result
from sdl.core.protocols import Policy
from sdl.core.recipe import Recipe
from sdl.core.seeds import generator
from sdl.tasks.space import TaskSpace
from sdl.tasks.task import load_task

TASK = load_task("batio3-coarse")
SPACE = TaskSpace(TASK)
MEMBERS = 12


def outcome(recipe: Recipe, best_ratio: float, heat: float) -> float:
    """Purity of a made-up laboratory: hot and long helps, the ratio must be right."""
    point = SPACE.encode(recipe)
    done = 1.0 / (1.0 + np.exp(-6.0 * (point[1] + 0.5 * point[2] - heat)))
    return float(done * np.exp(-8.0 * (point[0] - best_ratio) ** 2))


class ToyTwin:
    """Members differ in the right ratio and in how much heat they need."""

    def __init__(self) -> None:
        draws = generator("toy-twin").random((MEMBERS, 2))
        self.members = [(0.3 + 0.4 * a, 0.5 + 0.5 * b) for a, b in draws]
        points = spread(SPACE, 64, generator("toy-candidates"))
        self._candidates = of_points(SPACE, points, without=frozenset())

    @property
    def candidates(self) -> Candidates:
        return self._candidates

    def predict(self, recipes: Sequence[Recipe]) -> np.ndarray:
        table = [[outcome(recipe, *member) for recipe in recipes] for member in self.members]
        return np.asarray(table).reshape(MEMBERS, len(recipes))


class MemoryBlobs:
    """Content-addressed bytes in memory."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        self.content[digest] = data
        return digest

    def get(self, digest: str) -> bytes:
        return self.content[digest]

    def put_array(self, array: np.ndarray) -> str:
        return self.put(array.tobytes())

    def get_array(self, digest: str) -> np.ndarray:
        return np.frombuffer(self.content[digest])


def request(
    results: Sequence[Result] = (),
    pending: Sequence[Recipe] = (),
    *,
    slots: int = 1,
    key: str = "7/propose",
) -> Request:
    """A request as a campaign would make it."""
    number = len(results) + len(pending) + 1
    return Request(
        targets=(TASK.target,),
        capabilities=TASK.laboratory,
        space=SPACE,
        results=tuple(results),
        pending=tuple(PendingSample(sample=f"W{i}", recipe=r) for i, r in enumerate(pending)),
        budget=Budget(experiments=24, furnace_hours=2000.0),
        free_slots=slots,
        time_s=0.0,
        next_id=number,
        key=f"{key}/{number}",
    )


def result(proposal: Proposal, purity: float | None, sigma: float = 0.01) -> Result:
    """The result of a proposal; ``None`` for a failed experiment."""
    name = "S" + proposal.id[1:]
    observation = None
    if purity is not None:
        amount = PhaseAmount(weight_fraction=purity, sigma=sigma)
        observation = Observation(
            sample=name, name=f"{name}-a1", time_s=1.0, phases={"BaTiO3": amount}
        )
    return Result(
        sample=name, proposal=proposal.id, recipe=proposal.recipe, observation=observation
    )


def events(proposal: Proposal, outcome: Result) -> list[Event]:
    """What the journal holds of one experiment."""
    seen = outcome.observation
    state = SampleState.FAILED if seen is None else SampleState.FINISHED
    purity = None if seen is None else seen.purity("BaTiO3").weight_fraction
    payloads = [
        Proposed(proposal=proposal),
        Accepted(proposal=proposal.id, sample=outcome.sample),
        *([] if seen is None else [Observed(observation=seen)]),
        Finished(sample=outcome.sample, proposal=proposal.id, state=state, purity=purity),
    ]
    return [Event.of(1.0, payload) for payload in payloads]


def run(policy: Policy, count: int, member: tuple[float, float]) -> list[Result]:
    """A campaign of ``count`` experiments, one at a time, in a member of the made-up world."""
    results: list[Result] = []
    for _ in range(count):
        proposal = policy.propose(request(results))[0]
        noise = 0.01 * generator("noise", proposal.id).standard_normal()
        made = result(proposal, float(np.clip(outcome(proposal.recipe, *member) + noise, 0, 1)))
        for event in events(proposal, made):
            policy.ingest(event)
        results.append(made)
    return results
