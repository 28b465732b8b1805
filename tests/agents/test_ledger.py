"""The ledger: events in, results out."""

from __future__ import annotations

from agents.ledger import Ledger, text_of
from agents.random_policy import RandomPolicy
from policy_bench import SPACE, TASK, events, request, result
from sdl.core.event import Accepted, Decided, Event, Finished, Learned, Proposed, Rejected
from sdl.core.material import SampleState
from sdl.core.proposal import ModelVersion, Proposal
from sdl.core.recipe import Characterise, Continue, Recipe

FIRST, SECOND = RandomPolicy().propose(request(slots=2))


def test_results_are_those_the_campaign_would_give() -> None:
    ledger, done, failed = Ledger(), result(FIRST, 0.7), result(SECOND, None)
    for event in (*events(FIRST, done), *events(SECOND, failed)):
        ledger.ingest(event)
    assert ledger.results == (done, failed)


def test_samples_interleave() -> None:
    ledger, one, two = Ledger(), result(FIRST, 0.7), result(SECOND, 0.2)
    a, b = events(FIRST, one), events(SECOND, two)
    for event in (a[0], b[0], a[1], b[1], b[2], a[2], b[3], a[3]):
        ledger.ingest(event)
    assert ledger.results == (two, one)


def test_a_failed_sample_keeps_no_observation() -> None:
    ledger, made = Ledger(), result(FIRST, 0.7)
    for event in events(FIRST, made)[:3]:
        ledger.ingest(event)
    failed = Finished(sample=made.sample, proposal=FIRST.id, state=SampleState.FAILED)
    ledger.ingest(Event.of(2.0, failed))
    assert ledger.results[0].observation is None


def test_decided_steps_extend_an_open_recipe() -> None:
    start = SPACE.decode(SPACE.encode(FIRST.recipe)).steps[:2]
    open_one = Proposal(
        id="P9",
        target=TASK.target,
        recipe=Recipe(steps=(*start, Continue())),
        reason="r",
        policy="p",
    )
    ledger = Ledger()
    for payload in (
        Proposed(proposal=open_one),
        Accepted(proposal="P9", sample="S9"),
        Decided(sample="S9", step=Characterise(scan_min=2.0)),
        Finished(sample="S9", proposal="P9", state=SampleState.FINISHED),
    ):
        ledger.ingest(Event.of(0.0, payload))
    assert ledger.results[0].recipe.steps == (*start, Characterise(scan_min=2.0))


def test_only_promoted_models_count_and_refusals_are_kept() -> None:
    ledger = Ledger()
    good = ModelVersion(id="M1", kind="k", file="a", data="b")
    bad = good.model_copy(update={"id": "M2", "promoted": False})
    ledger.ingest(events(FIRST, result(FIRST, 0.1))[0])
    for payload in (
        Learned(model=good),
        Learned(model=bad),
        Rejected(proposal=FIRST.id, by="a chemist"),
        Rejected(proposal="P404", by="a chemist"),
    ):
        ledger.ingest(Event.of(0.0, payload))
    assert ledger.model == good
    assert [text_of(r) for r in ledger.refused] == [text_of(FIRST.recipe)]
