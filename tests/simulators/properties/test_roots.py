import numpy as np
import pytest

from simulators.properties.roots import root


def test_roots_of_several_equations_at_once() -> None:
    targets = np.array([1e-6, 0.3, 2.0, 29.0])

    found = root(lambda x: x**3 - targets**3, np.zeros(4), np.full(4, 30.0))

    assert found == pytest.approx(targets, rel=1e-10)


def test_steep_and_flat_functions() -> None:
    found = root(lambda x: np.tanh(1e6 * (x - 0.7)), np.zeros(1), np.ones(1))

    assert found[0] == pytest.approx(0.7, abs=1e-9)


def test_bracket_without_a_root_gives_the_nearer_end() -> None:
    found = root(lambda x: x + 1.0, np.zeros(1), np.ones(1))

    assert found[0] == 0.0


def test_element_does_not_depend_on_the_others() -> None:
    def cosine(x: np.ndarray) -> np.ndarray:
        return np.cos(x) - x

    alone = root(cosine, np.zeros(1), np.ones(1))
    many = root(cosine, np.array([0.0, -3.0, 0.1]), np.array([1.0, 9.0, 2.0]))

    assert alone[0] == many[0]
