"""The Bayesian policy: prior knowledge, pending samples, failures, models, determinism."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agents.bayes import BayesPolicy
from agents.ledger import text_of
from agents.random_policy import RandomPolicy
from policy_bench import SPACE, TASK, MemoryBlobs, ToyTwin, events, outcome, request, result, run
from sdl.core.errors import ModelError
from sdl.core.event import Event, Learned, Vetoed
from sdl.core.model import canonical_json
from sdl.core.proposal import PendingSample
from sdl.core.recipe import Anneal, Recipe
from surrogates.model_file import arrays_of, read_card

TWIN = ToyTwin()
LABORATORY = (0.42, 0.9)


def test_first_proposal_is_the_twins_best_guess() -> None:
    proposal = BayesPolicy(TASK, twin=TWIN).propose(request())[0]
    expected = TWIN.predict([proposal.recipe]).mean()
    assert expected >= TWIN.predict(TWIN.candidates.recipes).mean(0).max() - 0.02
    assert proposal.prediction is not None
    assert proposal.prediction.mean == pytest.approx(expected, abs=0.02)
    assert "nothing measured yet" in proposal.reason
    assert proposal.policy == "default"


def test_twin_and_model_beat_random() -> None:
    best = {}
    for name, policy in {
        "random": RandomPolicy(),
        "bare": BayesPolicy(TASK),
        "twin": BayesPolicy(TASK, twin=TWIN),
    }.items():
        done = run(policy, 10, LABORATORY)
        best[name] = max(outcome(r.recipe, *LABORATORY) for r in done)
    assert best["twin"] > 0.9
    assert best["twin"] > best["random"]
    assert best["bare"] > best["random"]


def test_proposals_of_a_batch_and_pending_ones_differ() -> None:
    policy = BayesPolicy(TASK, twin=TWIN)
    batch = policy.propose(request(slots=4))
    assert len({text_of(p.recipe) for p in batch}) == 4
    assert [p.id for p in batch] == ["P1", "P2", "P3", "P4"]
    waiting = [p.recipe for p in batch]
    later = policy.propose(request(pending=waiting))[0]
    assert text_of(later.recipe) not in {text_of(r) for r in waiting}


def test_a_believed_sample_moves_the_next_one_away() -> None:
    policy = BayesPolicy(TASK, twin=TWIN)
    first, second = policy.propose(request(slots=2))
    apart = np.abs(SPACE.encode(first.recipe) - SPACE.encode(second.recipe)).sum()
    assert apart > 0.1


def test_failures_are_counted_and_are_no_zeros() -> None:
    policy, made = BayesPolicy(TASK, twin=TWIN), []
    for _ in range(3):
        proposal = policy.propose(request(made))[0]
        made.append(result(proposal, None))
    again = policy.propose(request(made))[0]
    assert again.details["incumbent"] == 0.0
    assert text_of(again.recipe) not in {text_of(r.recipe) for r in made}
    # Three failures do not lower the prediction elsewhere, as three zeros would.
    assert again.prediction is not None
    assert again.prediction.mean > 0.5


def test_recipes_of_other_people_do_not_disturb() -> None:
    policy = BayesPolicy(TASK, twin=TWIN)
    expected = policy.propose(request(key="a"))[0].recipe
    other = Recipe(steps=(Anneal(temperature_c=500, dwell_h=1),))
    made = result(policy.propose(request())[0], 0.9).model_copy(update={"recipe": other})
    asked = request(key="a").model_copy(
        update={"results": (made,), "pending": (PendingSample(sample="S9", recipe=other),)}
    )
    assert policy.propose(asked)[0].recipe == expected


def test_bad_quality_is_no_number() -> None:
    policy = BayesPolicy(TASK, twin=TWIN)
    made = result(policy.propose(request())[0], 0.0)
    assert made.observation is not None
    bad = made.observation.model_copy(update={"quality": "pattern saturated"})
    shown = policy.propose(request([made.model_copy(update={"observation": bad})]))[0]
    assert shown.details["incumbent"] == 0.0


def test_refused_recipes_are_not_proposed_again() -> None:
    policy = BayesPolicy(TASK, twin=TWIN)
    first = policy.propose(request())[0]
    policy.ingest(events(first, result(first, 0.5))[0])
    policy.ingest(Event.of(0.0, Vetoed(proposal=first.id, violations=())))
    assert policy.propose(request())[0].recipe != first.recipe


def learned(policy: BayesPolicy, blobs: MemoryBlobs, number: int) -> Learned | None:
    version = policy.learn(f"M{number}", f"7/learn/{number}", blobs)
    return None if version is None else Learned(model=version)


def test_learning_stores_a_model_that_proposals_use() -> None:
    blobs = MemoryBlobs()
    policy = BayesPolicy(TASK, blobs, twin=TWIN)
    assert policy.learn("M1", "k", blobs) is None
    results = run(policy, 9, LABORATORY)
    event = learned(policy, blobs, 1)
    assert event is not None
    version = event.model
    assert {"loo_rmse", "loo_z_rms", "n", "held_back_log_density"} <= set(version.metrics)
    assert (version.metrics["n"], version.metrics["held_back"]) == (9.0, 2.0)
    content = blobs.get(version.file)
    assert read_card(content)["lineage"]["task"] == TASK.hash
    assert arrays_of(content)["purity"].shape == (9,)
    assert version.promoted == (
        version.metrics["held_back_log_density"] > version.metrics["present_log_density"]
    )
    before = policy.propose(request(results))[0]
    policy.ingest(Event.of(2.0, event.model_copy(update={"model": version})))
    promoted = version.model_copy(update={"promoted": True})
    policy.ingest(Event.of(2.0, Learned(model=promoted)))
    after = policy.propose(request(results))[0]
    assert before.model is None
    assert after.model == version.file


def test_a_model_that_is_not_promoted_changes_nothing() -> None:
    blobs = MemoryBlobs()
    policy = BayesPolicy(TASK, blobs, twin=TWIN)
    results = run(policy, 6, LABORATORY)
    before = policy.propose(request(results))
    event = learned(policy, blobs, 1)
    assert event is not None
    refused = event.model.model_copy(update={"promoted": False})
    policy.ingest(Event.of(2.0, Learned(model=refused)))
    assert policy.propose(request(results)) == before


def test_a_resumed_policy_decides_the_same() -> None:
    blobs, journal = MemoryBlobs(), []
    policy = BayesPolicy(TASK, blobs, twin=TWIN)
    results = []
    for number in range(8):
        proposal = policy.propose(request(results))[0]
        made = result(proposal, outcome(proposal.recipe, *LABORATORY))
        for event in events(proposal, made):
            policy.ingest(event)
            journal.append(event)
        results.append(made)
        payload = learned(policy, blobs, number)
        if payload is not None:
            policy.ingest(Event.of(1.0, payload))
            journal.append(Event.of(1.0, payload))
    other = BayesPolicy(TASK, blobs, twin=TWIN)
    for event in journal:
        other.ingest(event)
    assert other.propose(request(results)) == policy.propose(request(results))
    assert other.learn("M9", "k", blobs) == policy.learn("M9", "k", blobs)


def test_a_missing_model_file_is_named() -> None:
    blobs = MemoryBlobs()
    policy = BayesPolicy(TASK, blobs, twin=TWIN)
    results = run(policy, 5, LABORATORY)
    event = learned(policy, blobs, 1)
    assert event is not None
    other = BayesPolicy(TASK, twin=TWIN)
    promoted = event.model.model_copy(update={"promoted": True})
    other.ingest(Event.of(0.0, Learned(model=promoted)))
    with pytest.raises(ModelError, match="M1"):
        other.propose(request(results))


def test_reasons_speak_of_what_changes() -> None:
    policy = BayesPolicy(TASK, twin=TWIN)
    results = run(policy, 4, LABORATORY)
    reason = policy.propose(request(results))[0].reason
    assert "to beat the best so far; predicted" in reason
    assert "untried" in reason or "like P" in reason


def transcript() -> str:
    """Everything the policy says in a short campaign, as text."""
    blobs = MemoryBlobs()
    policy = BayesPolicy(TASK, blobs, twin=ToyTwin())
    results = run(policy, 5, LABORATORY)
    version = policy.learn("M1", "k", blobs)
    last = policy.propose(request(results, slots=3))
    spoken = [canonical_json(p) for p in last] + [canonical_json(version)]
    return "\n".join(spoken)


def test_every_process_decides_the_same(root: Path) -> None:
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r});"
    code += "import test_bayes; print(test_bayes.transcript())"
    expected = transcript()
    for seed, threads in (("1", "1"), ("77", "2")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=root,
            env={
                **os.environ,
                "PYTHONHASHSEED": seed,
                "OMP_NUM_THREADS": threads,
                "PYTHONPATH": f"{root}{os.pathsep}{root / 'tests'}",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected
