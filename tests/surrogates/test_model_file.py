"""Model files: exact, the same bytes in every process, nothing unpickled."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sdl.core.errors import ModelError
from surrogates.gaussian_process import GaussianProcess, fit
from surrogates.kernel import Layout, Priors
from surrogates.model_file import arrays_of, dump, read_card, restore

LAYOUT = Layout((0, 1), (2,))
SCRIPT = """
import hashlib, sys
sys.path.insert(0, {here!r})
import test_model_file as t
print(hashlib.sha256(t.content()).hexdigest())
"""


def fitted() -> GaussianProcess:
    rng = np.random.default_rng(3)
    x = rng.random((12, 3)).round(1)
    return fit(x, np.sin(x.sum(1)), np.full(12, 0.02), LAYOUT)


def content() -> bytes:
    return dump(
        fitted(),
        data="0" * 64,
        lineage={"id": "M2", "parent": None, "key": "a/b"},
        metrics={"loo_rmse": 0.1, "n": 12.0},
        arrays={"purity": np.linspace(0, 1, 5), "points": np.eye(3)},
    )


def test_round_trip_is_exact() -> None:
    model, file = fitted(), content()
    assert restore(file) == model
    card = read_card(file)
    assert card["lineage"]["id"] == "M2"
    assert card["metrics"] == {"loo_rmse": 0.1, "n": 12.0}
    np.testing.assert_array_equal(arrays_of(file)["points"], np.eye(3))


def test_prior_model_without_choices_round_trips() -> None:
    model = GaussianProcess.of_priors(Layout((0,), (), basis=4), Priors(amplitude=0.06))
    assert restore(dump(model, data="", lineage={}, metrics={})) == model


def test_bytes_are_the_same_in_every_process(root: Path) -> None:
    expected = hashlib.sha256(content()).hexdigest()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(here=str(Path(__file__).parent))],
            cwd=root,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected


@pytest.mark.parametrize(
    "bad", [b"", b"not a model", pickle.dumps({"a": 1}), (1 << 60).to_bytes(8, "little")]
)
def test_other_files_are_refused(bad: bytes) -> None:
    with pytest.raises(ModelError):
        restore(bad)


def test_a_truncated_file_is_refused() -> None:
    with pytest.raises(ModelError):
        restore(content()[:-9])
