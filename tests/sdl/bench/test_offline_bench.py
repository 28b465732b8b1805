"""``sdl bench offline``: its rows and gates on tiny sizes, and the constants it stands on."""

import numpy as np
import pytest

import agents.reference
from agents.cross_entropy import Search
from agents.offline import bench as parts
from agents.offline.behaviour import Mixture
from agents.planners import FixedSettings, OracleSettings
from agents.reference import Settings
from sdl.bench import offline
from sdl.tasks.task import load_task

pytestmark = pytest.mark.timeout(900)  # the first run compiles

TINY = Settings(
    FixedSettings(search=Search(8, 2, 4), laboratories=3, finalists=2, final=4, starts=1),
    OracleSettings(search=Search(8, 2, 4), doublings=1, finalists=1),
    random_draws=2,
    sobol_draws=1,
)


def test_the_quick_bench_has_all_rows_and_gates(monkeypatch, tmp_path):
    monkeypatch.setenv("SDL_CACHE", str(tmp_path))
    monkeypatch.setattr(offline, "SMALL", TINY)
    monkeypatch.setattr(agents.reference, "STANDARD", TINY)
    found = offline.run(quick=True)
    assert found.bench == "offline"
    names = {row.name for row in found.rows}
    for way in offline.WAYS:
        assert {f"{n}.{way}.score" for n in parts.SETTINGS} <= names
        assert f"iql_minus_best.{way}.score" in names
    truths = [n for n in names if n.startswith("told.") and n.endswith(".truth")]
    assert len(truths) == offline.OF
    assert 0.0 < found.row("behaviour.even_choices").value < 1.0
    assert {gate.id for gate in found.gates} >= {
        "offline.behaviour",
        "offline.above_clone.drawn",
        "offline.above_best.likeliest",
        "offline.beginner.behaviour",
        "offline.beginner.above_best.likeliest",
        "offline.told",
        "offline.width",
    }


def test_a_panel_has_twenty_different_policies():
    task = load_task("batio3-coarse")
    actors = parts.shipped_actors(task)
    policies = {name: Mixture(actors[0], actors[0].layout.nvec) for name in parts.SETTINGS}
    judged = parts.panel(actors, policies, policies["clone"])
    assert len(judged) == offline.OF
    assert len({(id(p.actor), p.epsilon, p.sharpness) for p in judged.values()}) > 12


def test_the_behaviour_earns_the_share_asked_for():
    task = load_task("batio3-coarse")
    actor = parts.shipped_actors(task)[0]
    mixed = parts.behaviour_of(task, actor, 200, share=0.6)
    batch = parts.rows_of(task, 200, "tune", "behaviour")
    seed = parts._seed("behaviour")
    nvec = actor.layout.nvec

    def earned(epsilon):
        return parts.mean_return(batch, Mixture(actor, nvec, epsilon), seed)[0]

    top, low, own = earned(0.0), earned(1.0), earned(mixed.epsilon)
    assert (own - low) / (top - low) == pytest.approx(0.6, abs=0.05)
    assert np.isfinite(own)
