"""A small campaign written event by event: repeat, veto, failure, a sample on its way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sdl.analysis.pattern import DEFAULT_GRID, simulate_counts
from sdl.analysis.references import load_references
from sdl.campaign.config import CampaignConfig
from sdl.core.command import Command, Effect, Verb
from sdl.core.event import (
    Accepted,
    CampaignBegun,
    Done,
    Event,
    Failed,
    Finished,
    Intended,
    Observed,
    Proposed,
    Stopped,
    Vetoed,
    Violation,
)
from sdl.core.material import Observation, PhaseAmount, SampleState
from sdl.core.model import Frozen
from sdl.core.proposal import Prediction, Proposal
from sdl.core.recipe import Anneal, Characterise, Dose, Mix, Recipe, Regrind
from sdl.core.seeds import generator
from sdl.journal.journal import Journal
from sdl.tasks.task import Task, load_task

HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)> & "quoted" {{ 7*7 }}'
"""What a file may hold to break out of a page."""

LONG_ANNEAL = Anneal(temperature_c=880.0, dwell_h=12.0)
RECIPE = Recipe(
    steps=(
        Mix(
            doses=(
                Dose(lot="BaCO3-fine", mass_mg=1270.0),
                Dose(lot="TiO2-rutile-fine", mass_mg=515.0),
            )
        ),
        LONG_ANNEAL,
        Regrind(mill_min=12.0),
        LONG_ANNEAL,
        Characterise(),
    )
)
COLD = RECIPE.model_copy(
    update={"steps": (RECIPE.steps[0], Anneal(temperature_c=650.0, dwell_h=2.0), Characterise())}
)


class Scribe:
    """Writes a journal as a campaign would."""

    def __init__(self, url: str, *, title: str = "BaTiO3 from powders") -> None:
        task = load_task("batio3-coarse").model_copy(update={"title": title})
        config = CampaignConfig(name="synthetic", task="batio3-coarse", policy="default", seed=5)
        self.journal = Journal.create(url, _begun(config, task))
        self.task = task
        self.time_s = 0.0
        self.commands = 0

    def append(self, *payloads: Frozen) -> None:
        """Journals payloads at the present laboratory time."""
        self.journal.append(*(Event.of(self.time_s, p) for p in payloads))

    def propose(self, number: int, recipe: Recipe, reason: str, mean: float | None) -> Proposal:
        """A proposal with or without a prediction."""
        proposal = Proposal(
            id=f"P{number}",
            target=self.task.target,
            recipe=recipe,
            prediction=None if mean is None else Prediction(mean=mean, sigma=0.05),
            reason=reason,
            policy="default",
        )
        self.append(Proposed(proposal=proposal))
        return proposal

    def start(self, station: str, verb: Verb, sample: str, args: dict[str, object]) -> str:
        """Intends a command."""
        self.commands += 1
        command = Command(
            id=f"c{self.commands}",
            station=station,
            verb=verb,
            samples=(sample,),
            effect=Effect.IRREVERSIBLE,
            args=args,
            time_s=self.time_s,
        )
        self.append(Intended(command=command))
        return command.id

    def act(
        self,
        station: str,
        verb: Verb,
        sample: str,
        hours: float,
        args: dict[str, object],
        result: dict[str, object] | None = None,
    ) -> None:
        """A command from intent to end."""
        name = self.start(station, verb, sample, args)
        self.time_s += 3600.0 * hours
        self.append(Done(command=name, result=result or {}))

    def carry(self, sample: str, origin: str, destination: str) -> None:
        """A transfer."""
        args: dict[str, object] = {"sample": sample, "origin": origin, "destination": destination}
        self.act("transfer", Verb.TRANSFER, sample, 0.02, args)

    def anneal_args(self, recipe: Recipe) -> dict[str, object]:
        """Arguments of the first anneal."""
        anneal = recipe.anneals()[0]
        return {
            "temperature_c": anneal.temperature_c,
            "dwell_h": anneal.dwell_h,
            "ramp_c_per_min": anneal.ramp_c_per_min,
            "gas": anneal.gas.value,
            "cooling": "furnace",
        }

    def make(
        self, number: int, proposal: Proposal, purity: float, unexplained: float = 0.0
    ) -> None:
        """A whole experiment with its scan."""
        sample = f"S{number}"
        self.append(Accepted(proposal=proposal.id, sample=sample))
        self.act("dispenser", Verb.DISPENSE, sample, 0.05, {"lot": "BaCO3-fine", "mass_mg": 1270.0})
        self.act("mixer", Verb.MILL, sample, 0.2, {"mill_min": 10.0})
        self.act("furnace_1", Verb.ANNEAL, sample, 20.0, self.anneal_args(proposal.recipe))
        truth = {"BaTiO3": purity, "BaCO3": 1.0 - purity}
        counts = simulate_counts(
            truth, load_references("ba-ti-c-o"), scan_min=8.0, rng=generator("report", number)
        )
        digest = self.journal.blobs.put_array(counts)
        result: dict[str, object] = {
            "pattern": digest,
            "two_theta_start_deg": DEFAULT_GRID.start_deg,
            "two_theta_step_deg": DEFAULT_GRID.step_deg,
            "scan_min": 8.0,
        }
        self.act("diffractometer", Verb.SCAN, sample, 0.15, {"scan_min": 8.0}, result)
        amounts = {p: PhaseAmount(weight_fraction=w, sigma=0.004) for p, w in truth.items()}
        observation = Observation(
            sample=sample,
            name=f"{sample}-a1",
            time_s=self.time_s,
            phases=amounts,
            unexplained=unexplained,
            pattern=digest,
        )
        self.append(Observed(observation=observation))
        self.finish(sample, proposal, purity)

    def finish(self, sample: str, proposal: Proposal, purity: float | None) -> None:
        """The end of a sample."""
        self.append(
            Finished(
                sample=sample,
                proposal=proposal.id,
                state=SampleState.FAILED if purity is None else SampleState.FINISHED,
                purity=purity,
                sigma=None if purity is None else 0.004,
                cost=0.31,
                furnace_hours=20.0,
            )
        )


def _begun(config: CampaignConfig, task: Task) -> CampaignBegun:
    return CampaignBegun(
        config=config.model_dump(mode="json"),
        task=task.model_dump(mode="json"),
        task_hash=task.hash,
        capabilities={"replays": False},
        seed=config.seed,
    )


def write_finished(url: str) -> None:
    """S1 0.4, S2 0.97 and its repeat S3 0.96, a veto, S4 fails; then over."""
    scribe = Scribe(url, title=HOSTILE)
    scribe.make(1, scribe.propose(1, COLD, f"first guess {HOSTILE}", 0.5), 0.4)
    scribe.make(2, scribe.propose(2, RECIPE, "the belief gives 70 % to win", 0.9), 0.97)
    vetoed = scribe.propose(3, RECIPE, "hotter than allowed", 0.99)
    rule = Violation(rule="furnace-temperature", message=f"1300 °C is too hot {HOSTILE}")
    scribe.append(Vetoed(proposal=vetoed.id, violations=(rule,)))
    scribe.make(3, scribe.propose(4, RECIPE, "repeat of S2", None), 0.96)
    failing = scribe.propose(5, COLD, "a cheap check", 0.3)
    scribe.append(Accepted(proposal=failing.id, sample="S4"))
    command = scribe.start("furnace_1", Verb.ANNEAL, "S4", scribe.anneal_args(COLD))
    scribe.time_s += 3600.0
    scribe.append(Failed(command=command, error=f"the door is open {HOSTILE}"))
    scribe.finish("S4", failing, None)
    scribe.append(Stopped(reason="the budget of experiments is spent", success=True))
    scribe.journal.close()


def write_unfinished(url: str, finished: int) -> None:
    """``finished`` experiments, one sample in the furnace and one proposal that waits."""
    scribe = Scribe(url)
    for number in range(1, finished + 1):
        proposal = scribe.propose(number, RECIPE, f"reason {number}", 0.9)
        scribe.make(number, proposal, 0.97, unexplained=0.3)
    going = scribe.propose(finished + 1, COLD, "still in the furnace", 0.5)
    name = f"S{finished + 1}"
    scribe.append(Accepted(proposal=going.id, sample=name))
    scribe.carry(name, "rack", "furnace_1")
    scribe.start("furnace_1", Verb.ANNEAL, name, scribe.anneal_args(COLD))
    scribe.propose(finished + 2, COLD, "nobody has looked at it", 0.5)
    scribe.journal.close()


@pytest.fixture(scope="session")
def finished_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A campaign that is over."""
    url = f"sqlite:///{tmp_path_factory.mktemp('finished') / 'campaign.db'}"
    write_finished(url)
    return url


@pytest.fixture
def unfinished_url(tmp_path: Path) -> Callable[[int], str]:
    """A campaign in progress with so many finished experiments."""

    def make(finished: int) -> str:
        url = f"sqlite:///{tmp_path / 'campaign.db'}"
        write_unfinished(url, finished)
        return url

    return make
