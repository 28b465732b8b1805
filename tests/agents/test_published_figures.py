"""The figures of the task's published recipe, recomputed from the text-mined recipes."""

from __future__ import annotations

import json
import lzma
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdl.tasks import task as tasks
from sdl.tasks.task import load_task

FILE = "recipes_textmined/solid-state_dataset_2019-12-03.json.xz"


def heatings(recipe: dict[str, Any]) -> list[tuple[float, list[float]]]:
    """Highest temperature and the times of every heating step that states a temperature."""
    found = []
    for step in recipe["operations"]:
        if step["type"] == "HeatingOperation" and step["conditions"]:
            listed = step["conditions"]
            degrees = [v for t in listed["heating_temperature"] or [] for v in t["values"]]
            hours = [v for t in listed["heating_time"] or [] for v in t["values"]]
            if degrees:
                found.append((max(degrees), hours))
    return found


@pytest.fixture(scope="module")
def fired(data_dir: Path) -> list[list[tuple[float, list[float]]]]:
    path = data_dir / FILE
    if not path.exists():
        pytest.skip(f"no text-mined recipes at {path}")
    with lzma.open(path) as stream:
        reactions = json.load(stream)["reactions"]
    mine = [r for r in reactions if r["target"]["material_formula"] == "BaTiO3"]
    assert len(mine) == 117
    return [steps for r in mine if (steps := heatings(r))]


def quartiles(values: list[float]) -> tuple[int, list[float]]:
    return len(values), np.percentile(values, [25, 50, 75]).tolist()


def test_first_firing_is_the_published_recipe(
    fired: list[list[tuple[float, list[float]]]],
) -> None:
    published = load_task("batio3-coarse").published
    assert published is not None
    degrees = quartiles([steps[0][0] for steps in fired])
    hours = quartiles([max(steps[0][1]) for steps in fired if steps[0][1]])
    assert degrees == (88, [1000.0, published.temperature_c, 1200.0])
    assert hours == (60, [2.0, published.dwell_h, 6.0])
    numbers = re.findall(r"\d+", published.source)
    assert numbers[1:8] == ["1100", "1000", "1200", "88", "4", "2", "6"]


def test_hottest_firing_stands_in_the_file(
    fired: list[list[tuple[float, list[float]]]],
) -> None:
    hottest = [max(steps, key=lambda step: step[0]) for steps in fired]
    degrees = quartiles([step[0] for step in hottest])
    hours = quartiles([max(step[1]) for step in hottest if step[1]])
    assert degrees == (88, [1100.0, 1175.0, 1350.0])
    assert hours == (61, [2.0, 4.0, 6.0])
    text = (Path(tasks.__file__).parent / "batio3-coarse.yaml").read_text(encoding="utf-8")
    assert "1175 [1100, 1350] degC, n = 88; 4 [2, 6] h, n = 61" in text
