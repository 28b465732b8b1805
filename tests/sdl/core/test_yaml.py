"""Every error in a file names its line, what was given, what is allowed, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdl.core.errors import ConfigError
from sdl.core.recipe import Recipe
from sdl.core.yaml import MAX_BYTES, load, parse, place_of

GOOD = """steps:
  - kind: mix
    doses:
      - {lot: BaCO3-a, mass_mg: 1.4 g}
  - kind: anneal
    temperature_c: 1000 degC
    dwell_h: 4
"""


def error_of(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, Recipe, "recipe.yaml")
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_a_good_file_is_read_with_units() -> None:
    recipe = parse(GOOD, Recipe, "recipe.yaml")
    assert recipe.doses()[0].mass_mg == pytest.approx(1400)
    assert recipe.anneals()[0].temperature_c == pytest.approx(1000)


@pytest.mark.parametrize(
    ("old", "new", "line", "parts"),
    [
        (
            "dwell_h: 4",
            "dwell_h: 4\n    gass: air",
            8,
            ["unknown key", "'gass'", "did you mean 'gas'"],
        ),
        ("1000 degC", "1000 kg", 6, ["temperature_c", "'1000 kg'", "a number in degC"]),
        ("1000 degC", ".nan", 6, ["temperature_c", "nan", "finite"]),
        ("dwell_h: 4", "dwell_h: -4", 7, ["dwell_h", "-4"]),
        ("kind: anneal", "kind: bake", 5, ["bake", "anneal"]),
        ("BaCO3-a", "../secret", 4, ["lot", "../secret"]),
        ("    dwell_h: 4\n", "    dwell_h: 4\n    dwell_h: 5\n", 8, ["dwell_h", "twice"]),
        ("dwell_h: 4", "dwell_h: [4", 8, ["not valid YAML"]),
    ],
)
def test_errors_name_the_line(old: str, new: str, line: int, parts: list[str]) -> None:
    message = error_of(GOOD.replace(old, new))
    assert message.startswith(f"recipe.yaml:{line}: "), message
    assert "what to do: " in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a\n- b\n",
        "42",
        "!!python/object/apply:os.system ['true']",
        "a: &a [x]\n" + "b: [" + "*a, " * 100 + "]\n",
        "steps: " + "[" * 3000 + "]" * 3000,
    ],
    ids=["empty", "list", "number", "python", "aliases", "deep"],
)
def test_poisoned_and_empty_files_are_refused(text: str) -> None:
    assert error_of(text).startswith("recipe.yaml")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("? [a, b]\n: 1", "not a word"),
        ("{a: 1}: 2", "not a word"),
        ('steps: !!int ""', "is no int"),
        ('steps: !!float ""', "is no float"),
        ("steps: !!bool x", "is no bool"),
        ("steps: !!timestamp x", "is no timestamp"),
        ("steps: !!map [1]", "mapping"),
        ("steps: !!set {a, b}", "set"),
        ("steps: !!binary YQ==", "binary"),
        ("steps: 1" + ":1" * 1000, "digits"),
        ("steps: 0x" + "f" * 390, "bits"),
        ('steps: "\\ud800"', "half a character"),
        ('steps: "a\\0b\\nc"', r"a\x00b\nc"),
        ('"a\\nb": 1', r"a\nb"),
        ("steps: &a {x: *a}", "steps"),
        ("steps: &a [*a]", "steps"),
    ],
)
def test_values_that_no_tag_fits_are_refused_with_their_line(text: str, part: str) -> None:
    message = error_of(text)
    assert message.startswith("recipe.yaml:1: "), message
    assert part in message
    assert message.isprintable()


def test_what_was_given_is_cut_short() -> None:
    bomb = "a: &a [" + "x, " * 1000 + "]\nb: &b [" + "*a, " * 5 + "]\nsteps: {q: [" + "*b, " * 5
    wide = "steps: [{kind: mix, doses: [" + "{lot: " + "x" * 900_000 + "}]}]"
    for text in (bomb + "]}\n", wide, "steps: " + "y" * 900_000, "y" * 900_000 + ": 1"):
        assert len(error_of(text)) < 1000


@pytest.mark.parametrize("name", ["x" * 300, "a\0b.yaml", "d" * 300 + "/a.yaml", "a.**"])
def test_names_that_no_file_can_have_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / name, Recipe)
    assert str(caught.value).isprintable()
    assert place_of(tmp_path / name, "a")


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_no_text_gives_anything_but_a_config_error(text: str) -> None:
    with pytest.raises(ConfigError):
        parse(text, Recipe, "recipe.yaml")


def test_files_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(GOOD)
    with pytest.raises(ConfigError, match=r"does not exist.*here: recipe.yaml"):
        load(tmp_path / "recip.yaml", Recipe)
    with pytest.raises(ConfigError, match="not a file"):
        load(tmp_path, Recipe)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "binary.yaml", Recipe)
    (tmp_path / "long.yaml").write_text("#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="too long"):
        load(tmp_path / "long.yaml", Recipe)
