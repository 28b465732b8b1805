"""The belief moves towards the truth, stays honest, and never sees the truth."""

from __future__ import annotations

import numpy as np
import pytest

from adapt_tiny import POLICY, TASK
from agents.adapting.adaptive import AdaptivePolicy, Library
from agents.adapting.belief import Belief, BeliefSettings, closed
from agents.adapting.hidden_space import HiddenSpace
from agents.adapting.shifted import shifted_laboratory
from agents.adapting.truth import Seen, TrueLaboratories
from agents.adapting.twin import Twin
from agents.cross_entropy import draw, uniform_tables
from sdl.core.seeds import generator

LABORATORIES = 4


@pytest.fixture(scope="module")
def twin() -> Twin:
    return Twin(TASK, rows=256, threads=1)


@pytest.fixture(scope="module")
def truth() -> TrueLaboratories:
    labs = [shifted_laboratory(TASK, "tune", n) for n in range(LABORATORIES)]
    return TrueLaboratories(TASK, labs, threads=1)


def drawn(twin: Twin, count: int, *key: str | int):
    return draw(twin.plans, uniform_tables(twin.plans, 1), count, generator(*key))[0]


def test_the_belief_moves_towards_the_truth_and_does_not_collapse(
    twin: Twin, truth: TrueLaboratories
) -> None:
    belief = Belief(twin, LABORATORIES, BeliefSettings(members=48), "test")
    before = belief.z.copy()
    judged = drawn(twin, 16, "test-judged")
    made = drawn(twin, 4, "test-made")
    for number, genes in enumerate(made):
        each = np.repeat(genes[None], LABORATORIES, axis=0)
        seen, _ = truth.make(twin.plans.actions(each), number, twin.solid_names)
        belief.learn(each, seen)
    rows = np.repeat(np.arange(LABORATORIES), len(judged))
    right = truth.play_genes(np.tile(judged, (LABORATORIES, 1)), rows, 9).purity
    right = right.reshape(LABORATORIES, -1)
    errors, honest = [], []
    for z in (before, belief.z):
        runs = [
            twin.run(np.repeat(own, len(judged), axis=0), np.tile(judged, (len(own), 1)))
            for own in z
        ]
        purity = np.stack([r.matter[:, twin.target].reshape(48, -1) for r in runs])
        errors.append(np.sqrt(np.mean((purity.mean(axis=1) - right) ** 2)))
        spread = np.hypot(purity.std(axis=1), 0.03)
        honest.append(np.mean(np.abs(purity.mean(axis=1) - right) < 2.0 * spread))
    assert errors[1] < 0.7 * errors[0]
    assert honest[1] > 0.8
    assert belief.z.std(axis=1).mean() > 0.3


def test_what_was_not_weighed_teaches_nothing(twin: Twin) -> None:
    genes = drawn(twin, 1, "test-nan")
    settings = BeliefSettings(members=12)
    seen = Seen.empty(1, len(twin.solid_names))
    seen.fractions[0, twin.target] = 1.0
    moved = []
    for mass in (np.nan, np.inf):
        belief = Belief(twin, 1, settings, "nan")
        seen.mass[:] = mass
        belief.learn(genes, seen)
        moved.append(belief.z)
    assert np.isfinite(moved[0]).all()
    np.testing.assert_array_equal(moved[0], moved[1])


def test_a_phase_without_a_name_is_believed_in_once_a_scan_shows_one(twin: Twin) -> None:
    wider = Twin(TASK, rows=256, threads=1, unnamed=True)
    assert wider.solid_names == twin.solid_names
    settings = BeliefSettings(members=16)
    genes = np.repeat(drawn(twin, 1, "test-unnamed"), 2, axis=0)
    seen = Seen.empty(2, len(twin.solid_names))
    seen.other[1] = 0.15
    seen.fractions[:, twin.target] = 1.0 - seen.other
    seen.mass[:] = np.nan
    belief = Belief(wider, 2, settings, "unnamed")
    rows = [wider.run(z, np.repeat(genes[:1], 16, axis=0)) for z in belief.z]
    assert max(r.other.max() for r in rows) < 1e-6
    belief.learn(genes, seen)
    assert belief.open.tolist() == [False, True]
    believed = [wider.run(z, np.repeat(genes[:1], 16, axis=0)).other for z in belief.z]
    assert believed[0].max() < 1e-6
    assert believed[1].mean() > 0.03


def test_closed_the_wider_twin_is_the_plain_one(twin: Twin) -> None:
    wider = Twin(TASK, rows=256, threads=1, unnamed=True)
    genes = drawn(twin, 8, "test-closed")
    z = generator("test-closed").standard_normal((8, len(wider.space)))
    plain = twin.run(z[:, : len(twin.space)], genes)
    found = wider.run(closed(z, wider.space), genes)
    np.testing.assert_allclose(
        found.matter, plain.matter, atol=6e-3
    )  # the accuracy of the planners
    np.testing.assert_allclose(found.value, plain.value, atol=3e-2)


def test_the_policy_decides_from_what_was_seen_alone(twin: Twin) -> None:
    genes = drawn(twin, 6, "test-library")
    library = Library(genes, genes[0])
    seen = Seen.empty(2, len(twin.solid_names))
    seen.fractions[:, twin.target] = [0.8, 0.6]
    seen.fractions[:, 0] = [0.2, 0.4]
    seen.sigma[:] = 0.01
    seen.mass[:] = 1.0

    def course(rows: list[int]):
        policy = AdaptivePolicy(twin, library, len(rows), POLICY)
        plans = []
        for _ in range(3):
            plans.append(policy.genes.copy())
            policy.learn(seen.rows(np.array(rows)))
        return np.stack([*plans, policy.genes], axis=1)

    both = course([0, 1])
    # Whoever stands beside it and whatever hides behind what was seen: the same decisions.
    np.testing.assert_array_equal(both, course([0, 1]))
    np.testing.assert_array_equal(both[0], course([0])[0])
    np.testing.assert_array_equal(both[1], course([1])[0])


def test_the_hidden_space_starts_at_the_nominal_laboratory(twin: Twin) -> None:
    space: HiddenSpace = twin.space
    arrays = space.arrays(np.zeros((1, len(space))))
    for own, nominal in zip(arrays, space.nominal, strict=True):
        np.testing.assert_allclose(own, nominal)
