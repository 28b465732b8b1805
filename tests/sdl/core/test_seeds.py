"""Draws depend on their key and on nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdl.core.seeds import generator, key_of, seed_of

parts = st.lists(st.integers() | st.text(st.characters(exclude_categories=["Cs"])), min_size=1)


def test_seeds_are_what_they_always_were() -> None:
    assert seed_of(7, "propose", "P12") == 4821695937478063111


def test_draws_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    code = "from sdl.core.seeds import generator; print(generator(7, 'a', 'b').random().hex())"
    drawn = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "12345")
    }
    assert drawn == {float(generator(7, "a", "b").random()).hex() + "\n"}


@given(parts)
def test_a_key_gives_one_stream(key: list[str | int]) -> None:
    assert 0 <= seed_of(*key) < 2**63
    assert np.array_equal(generator(*key).random(4), generator(*key).random(4))


@given(parts, parts)
def test_other_words_give_other_seeds(one: list[str | int], other: list[str | int]) -> None:
    if "\x1f".join(map(str, one)) != "\x1f".join(map(str, other)):
        assert seed_of(*one) != seed_of(*other)


def test_drawing_leaves_other_streams_alone() -> None:
    first = generator(7, "a")
    first.random(100)
    assert generator(7, "b").random() == generator(7, "b").random()
    assert key_of(7, "propose", "P12") == "7/propose/P12"
