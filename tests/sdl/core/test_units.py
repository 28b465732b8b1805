"""Quantities at the border; the wrong dimension is refused with the unit that is allowed."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdl.core.recipe import Anneal
from sdl.core.units import to_unit


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("900 degC", "degC", 900.0),
        ("1173.15 K", "degC", 900.0),
        ("90 min", "hour", 1.5),
        ("1.2 g", "mg", 1200.0),
        ("300 K/hour", "delta_degC/minute", 5.0),
        ("900", "degC", 900.0),
        ("-1.5e2", "degC", -150.0),
    ],
)
def test_quantities_convert(text: str, unit: str, value: float) -> None:
    assert to_unit(text, unit) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "900 kg",
        "900 sprockets",
        "hot",
        "",
        "degC",
        "1 degC; import os",
        "1 degC/0",
        "1 degC*9**9**9",
        "1 K**",
        "1 (K",
        "1 K\0",
        "1 " + "K" * 100_000,
        "1 K/1e-999",
    ],
)
def test_what_is_no_quantity_of_the_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a number in degC"):
        to_unit(text, "degC")


@given(st.text(alphabet="0123456789.eEhKmin*/^()+- _°\0\n", max_size=30))
def test_no_text_gives_anything_but_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(to_unit(text, "degC"), float)


@given(st.floats(-273, 3500))
def test_a_number_is_itself_with_and_without_its_unit(value: float) -> None:
    assert to_unit(value, "degC") == value
    assert to_unit(repr(value), "degC") == value
    assert to_unit(f"{value!r} degC", "degC") == pytest.approx(value, abs=1e-9)


@given(st.sampled_from([math.nan, math.inf, -math.inf, "nan", "inf", "1e999", -400.0, "-1 K"]))
def test_steps_take_finite_physical_numbers_only(value: object) -> None:
    with pytest.raises(ValidationError):
        Anneal.model_validate({"temperature_c": value, "dwell_h": 4})


def test_a_negative_time_is_refused() -> None:
    with pytest.raises(ValidationError):
        Anneal.model_validate({"temperature_c": 900, "dwell_h": "-1 hour"})
