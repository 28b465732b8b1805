import pytest

from sdl.core.errors import ConfigError
from simulators.properties.constants import CUT, Constant, drawn, group, load_constants, nominal


def test_every_constant_names_a_source_and_every_source_is_used() -> None:
    constants = load_constants()

    used = {c.source for group in constants.groups.values() for c in group.values()}

    assert used == set(constants.sources)


def test_every_law_constant_has_a_width() -> None:
    free = [
        f"{name}.{key}"
        for name, constants in load_constants().groups.items()
        for key, constant in constants.items()
        if constant.width == 0.0
    ]

    assert all(name.endswith("reference_c") for name in free)


def test_draw_depends_on_its_key_only() -> None:
    assert drawn("ferrite", 1, "x") == drawn("ferrite", 1, "x")
    assert drawn("ferrite", 1, "x") != drawn("ferrite", 2, "x")


def test_draws_spread_by_the_widths() -> None:
    figure = group("ferrite")["curie_ni"]

    values = [drawn("ferrite", seed)["curie_ni"] for seed in range(400)]

    mean = sum(values) / len(values)
    spread = (sum((v - mean) ** 2 for v in values) / len(values)) ** 0.5
    assert mean == pytest.approx(figure.value, abs=0.2 * figure.width)
    assert spread == pytest.approx(figure.width, rel=0.1)


def test_draw_stays_within_the_bounds_of_the_law() -> None:
    for seed in range(50):
        for name, value in drawn("ferrite", seed).items():
            figure = group("ferrite")[name]
            assert figure.bounded(value) == value
            assert abs(value - figure.value) <= CUT * figure.width + 1e-9


def test_logarithmic_constant_stays_positive() -> None:
    constant = Constant(value=2.0, width=1.0, log=True, unit="1", source="x")

    assert constant.at(-9.0) == pytest.approx(2.0 * 2.718281828**-3)


def test_unknown_group_is_refused() -> None:
    with pytest.raises(ConfigError, match="no such group"):
        nominal("garnet")
