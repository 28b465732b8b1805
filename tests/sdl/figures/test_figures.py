from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import plotly.graph_objects as go
import pytest

from sdl.core.command import Verb
from sdl.core.material import Observation, PhaseAmount
from sdl.core.recipe import Anneal, Cooling, Dose, Mix, Quench, Recipe, Regrind
from sdl.figures.best import Attempt, Band, best_so_far, running_best
from sdl.figures.fractions import Composition, phase_fractions, phase_order
from sdl.figures.parity import Forecast, parity, share_within
from sdl.figures.pattern import FittedPattern, pattern_with_fit
from sdl.figures.recipe import recipe_curve, temperature_curve
from sdl.figures.search import Trial, purity_by_temperature
from sdl.figures.stations import Use, share_in_use, station_use
from sdl.figures.style import percent, whole_percent

HOSTILE = "<b>S1</b>"
MIX = Mix(doses=(Dose(lot="a", mass_mg=100.0),), mill_min=30.0)
RECIPE = Recipe(
    steps=(
        MIX,
        Anneal(temperature_c=825.0, dwell_h=4.0),
        Regrind(mill_min=60.0),
        Anneal(temperature_c=925.0, dwell_h=2.0, ramp_c_per_min=10.0),
        Quench(cooling=Cooling.AIR),
    )
)


def _observation(sample: str, **shares: float) -> Observation:
    phases = {p: PhaseAmount(weight_fraction=w, sigma=0.01) for p, w in shares.items()}
    return Observation(sample=sample, name=f"{sample}-a1", time_s=0.0, phases=phases)


def _attempts() -> list[Attempt]:
    return [
        Attempt(HOSTILE, 0.4, 0.01, HOSTILE),
        Attempt("S2", 0.99, 0.01, counts=False),
        Attempt("S3", None),
        Attempt("S4", 0.8, 0.01),
    ]


def _pattern() -> FittedPattern:
    angles = np.linspace(20.0, 60.0, 200)
    flat = np.full(200, 10.0)
    return FittedPattern(
        two_theta_deg=angles,
        counts=flat + 5.0,
        fitted=flat + 4.0,
        background=flat,
        contributions={HOSTILE: flat * 0.4},
        amounts={HOSTILE: PhaseAmount(weight_fraction=1.0, sigma=0.0)},
        ticks_deg={HOSTILE: [25.0, 40.0]},
    )


def _uses() -> list[Use]:
    return [
        Use("furnace_1", Verb.ANNEAL, ("S1", "S2"), 0.0, 10.0, "900 °C"),
        Use("furnace_1", Verb.ANNEAL, ("S3",), 12.0, 20.0, "900 °C", ended=False),
        Use("transfer", Verb.TRANSFER, ("S1",), 0.0, 0.1, HOSTILE),
    ]


def _figures() -> Iterator[tuple[str, go.Figure]]:
    band = Band((0.1, 0.2), (0.2, 0.3), (0.4, 0.5), experiments=96)
    yield "best", best_so_far(_attempts(), "BaTiO3", 0.95, band)
    yield "best of none", best_so_far([], "BaTiO3", 0.95)
    shown = [Composition(HOSTILE, _observation("S1", BaTiO3=0.5, BaO=0.499, TiO2=0.001))]
    yield "phases", phase_fractions(shown, "BaTiO3", 0.95)
    yield "pattern", pattern_with_fit(_pattern(), "Powder pattern")
    yield "recipe", recipe_curve(RECIPE, "Recipe of S1")
    trials = [Trial(HOSTILE, RECIPE, 0.5, 0.01), Trial("S2", Recipe(steps=(MIX,)), 0.7, 0.01)]
    yield "search", purity_by_temperature(trials, "BaTiO3", 0.95)
    yield "search of none", purity_by_temperature([], "BaTiO3", 0.95)
    yield "parity", parity([Forecast(HOSTILE, 0.8, 0.1, 0.85, 0.01)], "BaTiO3")
    yield "stations", station_use(_uses(), ["furnace_1", "transfer"], 20.0)


FIGURES = dict(_figures())


@pytest.mark.parametrize("name", FIGURES)
def test_figure_has_a_title_and_a_unit_on_each_axis(name: str) -> None:
    layout = json.loads(str(FIGURES[name].to_json()))["layout"]
    assert layout["title"]["text"]
    titles = [
        axis["title"]["text"]
        for key, axis in layout.items()
        if key.startswith(("xaxis", "yaxis")) and axis.get("title", {}).get("text")
    ]
    assert len(titles) >= 2
    for title in titles:
        assert "(" in title, title
        assert title.endswith(")"), title


@pytest.mark.parametrize("name", FIGURES)
def test_text_of_files_is_no_markup(name: str) -> None:
    text = json.dumps(json.loads(str(FIGURES[name].to_json()))["data"], ensure_ascii=False)
    shown = text.replace("\\u003c", "<").replace("\\u003e", ">")
    assert "<b>" not in shown, name


def test_running_best_leaves_out_what_does_not_count() -> None:
    assert running_best(_attempts()) == [0.4, 0.4, 0.4, 0.8]


def test_phases_target_first_small_ones_out() -> None:
    seen = [_observation("S1", BaO=0.6, BaTiO3=0.1, TiO2=0.299, trace=0.001)]
    assert phase_order(seen, "BaTiO3") == ["BaTiO3", "BaO", "TiO2"]


def test_temperature_curve_follows_ramp_soak_and_cooling() -> None:
    corners = temperature_curve(RECIPE)
    times = [c.time_h for c in corners]
    assert times == sorted(times)
    assert [c.temperature_c for c in corners] == [25, 25, 825, 825, 25, 25, 925, 925, 25]
    ramp_h, cooling_h, quench_h = 800 / 5 / 60, 800 / 2 / 60, 900 / 100 / 60
    steps = [0.5, ramp_h, 4.0, cooling_h, 1.0, 1.5, 2.0, quench_h]
    assert np.diff(times) == pytest.approx(steps)


def test_share_in_use_counts_overlaps_once() -> None:
    uses = [*_uses(), Use("furnace_1", Verb.ANNEAL, ("S9",), 5.0, 11.0, "")]
    assert share_in_use(uses, "furnace_1", 20.0) == pytest.approx(19.0 / 20.0)
    assert share_in_use([], "furnace_1", 0.0) == 0.0


def test_calibration_counts_within_predicted_sigma() -> None:
    forecasts = [Forecast("a", 0.5, 0.1, 0.55, 0.2), Forecast("b", 0.5, 0.1, 0.65, 0.2)]
    assert share_within(forecasts, 1.0) == 0.5
    assert share_within(forecasts, 2.0) == 1.0
    assert share_within([], 1.0) == 0.0


def test_numbers_in_words() -> None:
    assert percent(0.963, 0.008) == "96.3 ± 0.8 %"
    assert percent(0.9963, 0.0004) == "99.63 ± 0.04 %"
    assert percent(None) == "–"
    assert whole_percent(0.995) == "99.5 %"
    assert whole_percent(0.95) == "95 %"
