"""The bench of the environments in miniature."""

import numpy as np
import pytest

from envs.batched import BatchedSynthesis
from sdl.bench import env
from sdl.bench.registry import run_bench

pytestmark = pytest.mark.timeout(600)  # the first run compiles


def test_report_has_the_fixed_rows_and_gates(monkeypatch):
    monkeypatch.setattr(env, "ROWS", 16)
    monkeypatch.delenv("SDL_CHEMGYMRL_PYTHON", raising=False)
    report = run_bench("env", quick=True)
    assert {row.name for row in report.rows} == {
        "single.steps", "batched.steps", "single.anneal_share", "batched.anneal_share",
        "batched.anneals", "batched.substeps", "compile_s",
        "single.cpu",
        "batched.cpu",
        "machine.load", "chemgymrl.skipped",
    }  # fmt: skip
    assert [gate.id for gate in report.gates] == [
        "env.batched", "env.single", "env.anneal_share",
        "env.vs_chemgymrl_one", "env.vs_chemgymrl_two",
    ]  # fmt: skip
    assert report.row("batched.anneal_share").value > 0.3
    assert report.row("single.steps").value > 0
    assert report.gates[2].passed
    assert not any(gate.passed for gate in report.gates[3:])  # no peer: never passed in silence


def test_actions_keep_to_the_mask_and_do_not_stop_before_the_sixth_decision():
    batch = BatchedSynthesis(rows=16, threads=1)
    choices = batch.problem.choices
    policy = env.MaskedUniform(batch.nvec, choices.verbs, len(choices.gases), 1)
    starts = np.concatenate([[0], np.cumsum(batch.nvec)[:-1]])
    for _ in range(20):
        mask, decision = batch.action_masks(), batch.decisions.copy()
        actions = policy.actions(mask, decision)
        assert mask[np.arange(16)[:, None], starts + actions].all()
        assert not np.any((actions[:, 0] == choices.verbs.index("stop")) & (decision < 5))
        batch.step(actions)
