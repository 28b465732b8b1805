"""The bench of the GPU where there is none, and what it does before it measures."""

import numpy as np
import pytest
from numba import cuda

from sdl.bench import gpu
from sdl.bench.registry import Asked, run_bench
from sdl.chemistry.system import load_system
from sdl.tasks.task import load_task
from simulators.batch import ANNEAL, DISPENSE, MILL

TASK = load_task(gpu.TASK)
SYSTEM = load_system(TASK.system)


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU: sdl bench gpu measures")
def test_without_a_gpu_nothing_passes_and_the_reason_is_said():
    report = run_bench("gpu", Asked(quick=True))
    assert [row.name for row in report.rows] == ["gpu.skipped"]
    assert report.rows[0].n == 0
    assert "GPU" in report.rows[0].unit or "numba-cuda" in report.rows[0].unit
    assert [gate.id for gate in report.gates] == ["gpu.decisions", "gpu.agreement"]
    assert all(gate.verdict == "SKIP" and not gate.passed for gate in report.gates)


def test_the_simulator_of_cuda_is_not_measured(monkeypatch):
    monkeypatch.setattr("simulators.device.require_device", lambda: None)
    monkeypatch.setattr("simulators.device.simulated", lambda: True)
    assert gpu.why_not() == "numba's simulator of CUDA is no GPU"


def test_episodes_hold_the_decisions_they_claim_inside_the_space():
    drawn = gpu.episodes(TASK, SYSTEM, 500)
    acts = drawn.acts.reshape(500, -1, drawn.acts.shape[1])
    kinds = acts[0, :, 0].tolist()
    assert kinds == [DISPENSE, DISPENSE, DISPENSE, MILL, ANNEAL, MILL, ANNEAL, MILL]
    assert len(drawn.ends) == gpu.DECISIONS
    assert kinds.count(ANNEAL) == gpu.ANNEALS
    assert drawn.ends[-1] == acts.shape[1]
    space = TASK.space
    assert space is not None
    anneals = acts[:, kinds.index(ANNEAL)]
    assert space.temperature_c.low <= anneals[:, 2].min() < anneals[:, 2].max()
    assert anneals[:, 2].max() <= space.temperature_c.high
    assert set(acts[:, 0, 1]) == {2.0, 3.0, 4.0}  # the three lots of the first cation
    np.testing.assert_array_equal(gpu.episodes(TASK, SYSTEM, 500).acts, drawn.acts)


def test_the_roofline_is_the_peak_over_what_a_decision_costs():
    rows = {row.name: row.value for row in gpu.roofline(74.0, 1e6, 34e12, 4.8e12)}
    cost = rows["roofline.anneal_flops"] * gpu.ANNEALS / gpu.DECISIONS
    assert rows["roofline.by_flops"] == pytest.approx(34e12 / cost)
    assert rows["roofline.share"] == pytest.approx(1e6 * cost / 34e12)
    assert rows["roofline.by_bytes"] < rows["roofline.by_flops"]
