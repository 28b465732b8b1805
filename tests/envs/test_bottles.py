"""What scans teach about the bottles: a filter that is honest about what it does not know."""

import numpy as np
import pytest

from envs.batched import BatchedSynthesis
from envs.cursor_batch import CursorSynthesis

pytestmark = pytest.mark.timeout(600)  # the first run compiles

SAMPLES, ROWS = 6, 400


def made(batch, samples):
    """Makes samples of the fine powders in air, hot and long, and yields what is known after."""
    verb = batch.problem.choices.verbs.index
    mix = np.zeros((batch.rows, len(batch.nvec)), dtype=np.int64)
    choices = batch.problem.choices
    mix[:, 5], mix[:, 6], mix[:, 7:] = choices.ratios.index(1.0), len(choices.mill_min) - 1, 1
    anneal, grind, stop = np.zeros_like(mix), np.zeros_like(mix), np.zeros_like(mix)
    anneal[:, 0], anneal[:, 1] = verb("anneal"), len(choices.temperatures_c) - 1
    anneal[:, 2] = choices.dwells_h.index(2.0)
    grind[:, 0], grind[:, 6], stop[:, 0] = verb("regrind"), 4, verb("stop")
    for _ in range(samples):
        for actions in (mix, anneal, grind, anneal, stop):
            *_, info = batch.step(actions)
        yield batch.bottles.copy(), info


def test_samples_of_a_laboratory_tell_which_bottle_is_weak():
    """The contrast of the two bottles: closer to the truth with every sample, and honest."""
    batch = BatchedSynthesis("batio3-coarse", ROWS, seed=2, samples_per_lab=SAMPLES, threads=2)
    shelf = batch.problem.task.laboratory.shelf
    labels = np.array([lot.assay for lot in shelf])
    lots = [n for n, lot in enumerate(shelf) if lot.name in ("BaCO3-fine", "TiO2-rutile-fine")]
    truth = np.log(batch.laboratories.assay / labels)[:, lots].copy()
    wanted = truth[:, 0] - truth[:, 1]
    errors, z, known = [wanted.std()], np.zeros(ROWS), np.zeros((ROWS, 1, 1))
    for known, _ in made(batch, SAMPLES - 1):
        contrast = known[:, 0, lots[0]] - known[:, 0, lots[1]]
        cov = known[:, 1:][:, lots][:, :, lots]
        sd = np.sqrt(cov[:, 0, 0] + cov[:, 1, 1] - 2.0 * cov[:, 0, 1])
        errors.append(float((contrast - wanted).std()))
        z = (contrast - wanted) / sd
    assert errors[1] < 0.8 * errors[0]
    assert errors[-1] < 0.6 * errors[0]
    assert 0.7 < z.std() < 1.4
    untouched = [n for n in range(len(shelf)) if n not in lots]
    assert (known[:, 0, untouched] == 0.0).all()


def test_a_new_laboratory_has_new_bottles_and_an_agent_sees_them():
    batch = CursorSynthesis("batio3-coarse", 3, seed=2, samples_per_lab=2, threads=1)
    name = [entry.name for entry in batch.entries]
    sd = batch.observations[:, [name.index(f"shelf.{s}.known_sd") for s in range(12)]]
    present = batch.observations[:, [name.index(f"shelf.{s}.present") for s in range(12)]]
    assert ((sd > 0.5) == (present == 1.0)).all()
    physical = BatchedSynthesis("batio3-coarse", 3, seed=2, samples_per_lab=2, threads=1)
    (first, _), (second, _) = made(physical, 2)
    assert (first[:, 0] != 0.0).any()
    assert (second[:, 0] == 0.0).all()
    prior = np.diag(physical.problem.rules.desk.bottle_sd**2)
    np.testing.assert_array_equal(second[:, 1:], np.repeat(prior[None], 3, axis=0))
