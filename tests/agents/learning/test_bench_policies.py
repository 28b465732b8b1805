"""The policies of the bench: what is trained, where it goes, what ships."""

import shutil

import numpy as np
import pytest

import agents.learning.bench as bench
from agents.learning.config import TrainConfig
from agents.learning.train import POLICY
from agents.trial import Trial
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(600)  # the first run compiles

TASK = load_task("batio3-coarse")


def small(task, seeds, *, quick):
    return TrainConfig.model_validate(
        {
            "name": "small", "tasks": (task.name,), "steps": 240, "rows": 30, "checkpoints": 1,
            "seeds": tuple(range(seeds)), "workers": 1, "evaluation_episodes": 4,
            "samples_per_lab": 2, "net": {"hidden": (16,)}, "ppo": {"n_steps": 8},
        }
    )  # fmt: skip


def test_budgets_are_steps():
    first = bench.bench_config(TASK, 5, quick=False)
    assert (first.steps, first.samples_per_lab, first.seeds) == (1_000_000, 8, (0, 1, 2, 3, 4))
    assert (first.environment, first.algorithm, first.workers) == ("cursor", "maskable_ppo", 2)
    assert bench.bench_config(TASK, 1, quick=True).steps == 200_000
    assert bench.bench_config(load_task("ybco"), 1, quick=False).steps == 800_000


def test_a_bench_trains_anew_and_stored_policies_play_alike(tmp_path, monkeypatch):
    monkeypatch.setattr(bench, "bench_config", small)
    entrant = bench.train_policies(TASK, seeds=2, quick=True, folder=tmp_path / "runs")
    assert (entrant.name, len(entrant.players)) == ("maskable_ppo", 2)
    bench.train_policies(TASK, seeds=1, quick=True, folder=tmp_path / "runs")
    folders = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert folders == ["batio3-coarse-1", "batio3-coarse-2"]
    monkeypatch.setattr(bench, "SHIPPED", str(tmp_path / "shipped"))
    assert bench.stored_policies(TASK) is None
    shipped = tmp_path / "shipped" / TASK.name
    shipped.mkdir(parents=True)
    for seed in range(2):
        made = tmp_path / "runs" / "batio3-coarse-1" / f"seed-{seed}" / POLICY
        shutil.copy(made, shipped / f"seed-{seed}.safetensors")
    stored = bench.stored_policies(TASK)
    assert stored is not None
    trial = Trial(TASK, "judge", 3, 2, threads=1)
    for ours, theirs in zip(entrant.play(trial), stored.play(trial), strict=True):
        np.testing.assert_array_equal(ours.returns, theirs.returns)
