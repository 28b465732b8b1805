"""The bench of the environments in miniature."""

import numpy as np
import pytest

from envs.batched import BatchedSynthesis
from sdl.bench import env
from sdl.bench.registry import Asked, run_bench

pytestmark = pytest.mark.timeout(600)  # the first run compiles


def test_report_has_the_fixed_rows_and_gates(monkeypatch):
    monkeypatch.setattr(env, "ROWS", 16)
    monkeypatch.setattr(env, "RECIPES", 4)
    monkeypatch.delenv("SDL_CHEMGYMRL_PYTHON", raising=False)
    report = run_bench("env", Asked(quick=True))
    timed = (
        "single.steps", "batched.steps", "single.anneal_share", "batched.anneal_share",
        "batched.anneals", "batched.substeps", "single.cpu", "batched.cpu", "refinement",
        "compile_s",
    )  # fmt: skip
    assert {row.name for row in report.rows} == {
        *timed, *(f"ybco.{name}" for name in timed), "machine.load", "chemgymrl.skipped",
    }  # fmt: skip
    names = ("batched", "single", "anneal_share", "vs_chemgymrl_one", "vs_chemgymrl_two")
    assert [gate.id for gate in report.gates] == [
        *(f"env.{name}" for name in names), *(f"env.ybco.{name}" for name in names),
    ]  # fmt: skip
    gates = {gate.id: gate for gate in report.gates}
    for prefix in ("", "ybco."):
        assert report.row(f"{prefix}batched.anneal_share").value > 0.3
        assert report.row(f"{prefix}single.steps").value > 0
        assert report.row(f"{prefix}refinement").value < 0.1
        # No peer: never passed in silence.
        assert not gates[f"env.{prefix}vs_chemgymrl_one"].passed
        assert not gates[f"env.{prefix}vs_chemgymrl_two"].passed
    assert gates["env.anneal_share"].passed
    assert (gates["env.ybco.batched"].target, gates["env.ybco.single"].target) == (
        ">= 150000", ">= 2000",
    )  # fmt: skip


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
