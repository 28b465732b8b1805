"""Other structures change outcomes and keep every atom."""

from __future__ import annotations

import numpy as np
import pytest

from adapt_tiny import TASK
from agents.adapting.shifted import drawn_laboratory
from agents.adapting.structure import hidden_phase, with_hidden_phase, with_other_law
from agents.adapting.truth import TrueLaboratories
from sdl.chemistry.check import check_system
from sdl.chemistry.system import Law, load_system
from sdl.tasks.task import load_task
from simulators.network import Network

TASKS = ("batio3-coarse", "srtio3", "mgal2o4")


@pytest.mark.parametrize("name", TASKS)
def test_variants_are_sound_systems(name: str) -> None:
    task = load_task(name)
    system, target = load_system(task.system), task.target.phase
    for variant in (with_other_law(system, target), with_hidden_phase(system, target)):
        check_system(variant)  # every element balances
        assert np.isfinite(Network(variant).net.energy).all()
    law = with_other_law(system, target)
    changed = [r.name for r, s in zip(law.reactions, system.reactions, strict=True) if r != s]
    assert changed
    for reaction in changed:
        assert {k.law for k in law.reaction(reaction).kinetics.values()} == {Law.CONTRACTING_VOLUME}


@pytest.mark.parametrize("name", TASKS)
def test_the_hidden_phase_is_downhill_and_so_is_the_way_back(name: str) -> None:
    task = load_task(name)
    variant = with_hidden_phase(load_system(task.system), task.target.phase)
    gas = next(iter(variant.gases.values())).p_bar
    added = [r.name for r in variant.reactions if r.name.startswith("hidden_")]
    assert len(added) >= 2
    for reaction in added:
        assert variant.reaction_kj_per_mol(reaction, 1150.0, gas) < 0.0


def made(kind: str):
    laboratories = [drawn_laboratory(TASK, "tune", n) for n in range(2)]
    system = load_system(TASK.system)
    target = TASK.target.phase
    other = {"law": with_other_law, "phase": with_hidden_phase}.get(kind)
    truth = TrueLaboratories(
        TASK,
        laboratories,
        system=None if other is None else other(system, target),
        spread=kind == "spread",
        threads=1,
    )
    genes = np.zeros((2, len(truth.plans.genes)), dtype=np.int64)
    names = [gene.name for gene in truth.plans.genes]
    for gene, value in (("temperature_0", 8), ("dwell_0", 2), ("mill", 3), ("ratio", 3)):
        genes[:, names.index(gene)] = value
    actions = truth.plans.actions(genes)
    known = Network(system).solid_names
    return truth, *truth.make(actions, 0, known)


def test_every_structure_changes_what_comes_out() -> None:
    plain = made("none")[2]
    assert (plain.purity > 0.05).all()
    for kind in ("law", "phase", "spread"):
        assert np.abs(made(kind)[2].purity - plain.purity).max() > 0.01, kind


def test_a_phase_without_a_name_is_seen_as_such() -> None:
    truth, seen, outcomes = made("phase")
    name = hidden_phase(load_system(TASK.system), TASK.target.phase)
    assert name in truth.solid_names
    assert (seen.other > 0.0).any()
    np.testing.assert_allclose(seen.fractions.sum(axis=1) + seen.other, 1.0, atol=1e-5)
    assert (outcomes.purity < 1.0).all()


def test_atoms_are_kept_in_a_variant() -> None:
    laboratories = [drawn_laboratory(TASK, "tune", 0)]
    system = with_hidden_phase(load_system(TASK.system), TASK.target.phase)
    truth = TrueLaboratories(TASK, laboratories, system=system, threads=1)
    batch = truth._batches(np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64))[0]
    network = batch.problem.network
    solids = len(network.solid_names)
    counts = np.array(
        [
            [system.phase(n).composition.get(e, 0.0) for e in ("Mg", "Al")]
            for n in network.solid_names
        ]
    )
    genes = np.zeros((1, len(truth.plans.genes)), dtype=np.int64)
    totals = []
    for action in truth.plans.actions(genes)[0][:2]:  # mix, anneal
        batch.step(action[None])
        moles = batch.vectors[0, :solids] + batch.vectors[0, solids : 2 * solids]
        totals.append(moles @ counts)
    np.testing.assert_allclose(totals[1], totals[0], rtol=1e-9)
    side = network.solid_names.index(hidden_phase(load_system(TASK.system), TASK.target.phase))
    assert batch.vectors[0, side] > 0.0
