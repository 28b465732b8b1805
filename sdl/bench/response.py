"""``sdl bench response``: whether trained policies answer to the physics they are told.

Shipped policies are played where the laboratory is another than usual: furnaces that stop earlier,
gases taken away, a belief about the kinetics from nearly certain to as wide as the prior. Tuning
laboratories throughout, for a narrow belief is drawn about the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.core.errors import ConfigError
from sdl.core.extras import require_extra
from sdl.core.model import content_hash
from sdl.core.recipe import Gas
from sdl.core.seeds import generator
from sdl.tasks.task import load_task
from sdl.tasks.vary import limited
from simulators.network import FloatArray

LIMITS_C = {
    "batio3-coarse": (900.0, 875.0, 850.0, 825.0, 800.0),
    "mgal2o4": (1300.0, 1275.0, 1250.0, 1225.0, 1200.0),
    "nife2o4": (1050.0, 1025.0, 1000.0, 975.0, 950.0),
    "srtio3": (900.0, 875.0, 850.0, 825.0, 800.0),
}
"""Where the furnaces stop, hottest first: as they are, and down to 100 degC less."""
STEAM_TASK, PILOT_TASK = "batio3-coarse", "mgal2o4-pilot"
WIDTHS = (0.05, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Widths of the belief as shares of the prior's."""
RESPONSE, PILOT = "response", "mgal2o4-pilot"
"""Folders of the shipped policies that are asked."""
LABORATORIES, QUICK_LABORATORIES = 100, 12
SAMPLES = 4
LEAST_FACTOR = 1.2
"""Dwell in the coldest laboratory over that in the hottest."""
LEAST_STEAM = 0.5
MOST_NARROW, LEAST_WIDE = 0.1, 0.5
"""Scans of a sample where the belief is narrow, and where it is wide."""
RESAMPLES = 2000


def run(*, quick: bool = False, plots: Path | None = None) -> BenchReport:
    """Plays the shipped policies; nothing is trained.

    Args:
        quick: Fewer laboratories.
        plots: Folder for the three figures.

    Raises:
        ConfigError: The packages are not installed, or no policy ships.
    """
    require_extra("rl", "the bench response", "torch", "safetensors", "gymnasium")
    count = QUICK_LABORATORIES if quick else LABORATORIES
    rows, gates = list[Row](), list[Gate]()
    for part in (_dwells, _steam, _scans):
        more, judged = part(count)
        rows += more
        gates += judged
    names = [*LIMITS_C, PILOT_TASK]
    if plots is not None:
        _draw(rows, plots)
    return BenchReport(
        bench="response",
        commit=commit(),
        task=content_hash([load_task(name).hash for name in names]),
        machine=machine(),
        rows=tuple(rows),
        gates=tuple(gates),
    )


def stored(name: str) -> Path:
    """The first shipped policy of a folder.

    Raises:
        ConfigError: None is shipped.
    """
    from agents.learning.targets import stored_targets

    paths = stored_targets(name)
    if not paths:
        raise ConfigError("no such policy ships", got=name, do="train one with `sdl bench targets`")
    return paths[0]


def _dwells(count: int) -> tuple[list[Row], list[Gate]]:
    """Longer at lower temperature."""
    from agents.learning.artifact import read_policy
    from agents.response import habits

    actor = read_policy(stored(RESPONSE)).actor
    rows, factors = list[Row](), list[FloatArray]()
    for name, limits in LIMITS_C.items():
        task = load_task(name)
        played = [habits(actor, limited(task, hottest_c=c), count, SAMPLES) for c in limits]
        for limit, found in zip(limits, played, strict=True):
            at = f"{name}.stops_at_{limit:g}"
            rows.append(_mean(f"{at}.dwell", found.dwell_h, "h"))
            rows.append(_mean(f"{at}.return", found.returns, "reward"))
        factor = played[-1].dwell_h.mean(axis=1) / played[0].dwell_h.mean(axis=1).mean()
        factors.append(factor)
        rows.append(_mean(f"{name}.coldest_over_hottest.dwell", factor[:, None], "ratio"))
    low = float(min(_interval(f)[1] for f in factors))
    words = "in every task (lower end of the interval)"
    return rows, [_at_least("longer_when_colder", low, LEAST_FACTOR, words)]


def _steam(count: int) -> tuple[list[Row], list[Gate]]:
    """Steam where it pays: the share of anneals in steam, and what the same policy earns without.

    Every limit of the furnaces is one comparison: with both gases on offer, and with air alone.
    """
    from agents.learning.artifact import read_policy
    from agents.response import habits

    actor = read_policy(stored(RESPONSE)).actor
    task = load_task(STEAM_TASK)
    rows, shares, gains = list[Row](), list[float](), list[float]()
    for limit in LIMITS_C[STEAM_TASK]:
        both = habits(actor, limited(task, hottest_c=limit), count, SAMPLES)
        air = limited(task, hottest_c=limit, gases=(Gas.AIR,))
        alone = habits(actor, air, count, SAMPLES)
        at = f"{STEAM_TASK}.stops_at_{limit:g}"
        share = both.steam / np.maximum(both.anneals, 1.0)
        rows.append(_mean(f"{at}.steam", share, "share of anneals"))
        rows.append(_mean(f"{at}.gain_of_steam", both.returns - alone.returns, "reward"))
        rows.append(_mean(f"{at}.dwell_in_air_alone", alone.dwell_h, "h"))
        shares.append(float(share.mean()))
        gains.append(rows[-2].value)
    paying = [s for s, g in zip(shares, gains, strict=True) if g > 0.0]
    value = float(np.mean(paying)) if paying else float("nan")
    words = "of the anneals where the policy earns more with steam on offer"
    return rows, [_at_least("steam_where_it_pays", value, LEAST_STEAM, words)]


def _scans(count: int) -> tuple[list[Row], list[Gate]]:
    """Measured when the belief is wide, not when it is narrow."""
    from agents.learning.artifact import read_policy
    from agents.response import habits

    actor, task = read_policy(stored(PILOT)).actor, load_task(PILOT_TASK)
    rows, scans = list[Row](), list[FloatArray]()
    for width in WIDTHS:
        found = habits(actor, task, 4 * count, 1, belief=(width, width))
        at = f"{PILOT_TASK}.belief_{width:g}"
        rows.append(_mean(f"{at}.scans", found.scans, "per sample"))
        rows.append(_mean(f"{at}.dwell", found.dwell_h, "h"))
        rows.append(_mean(f"{at}.return", found.returns, "reward"))
        scans.append(found.scans.mean(axis=1))
    narrow, wide = _interval(scans[0])[2], _interval(scans[-1])[1]
    return rows, [
        Gate(
            id="response.no_scan_when_narrow",
            target=f"<= {MOST_NARROW:g} (upper end of the interval)",
            value=narrow,
            passed=narrow <= MOST_NARROW,
        ),
        _at_least("scan_when_wide", wide, LEAST_WIDE, "(lower end of the interval)"),
    ]


def _at_least(name: str, value: float, limit: float, words: str) -> Gate:
    """A gate that a value passes from a limit on."""
    target = f">= {limit:g} {words}"
    return Gate(id=f"response.{name}", target=target, value=value, passed=value >= limit)


def _draw(rows: Sequence[Row], folder: Path) -> None:
    """Writes the figures of what was measured."""
    require_extra("report", "the figures of a bench", "plotly")
    from sdl.figures.response import Points, response_figure

    def points(name: str, at: Sequence[float], start: float, key: str, figure: str) -> Points:
        found = {row.name: row for row in rows}
        line = [found[f"{name}.{key}_{c:g}.{figure}"] for c in at]
        low, high = [r.low or 0.0 for r in line], [r.high or 0.0 for r in line]
        x = [start - c if start else c for c in at]
        return Points(x, [r.value for r in line], low, high)

    dwell = {n: points(n, at, at[0], "stops_at", "dwell") for n, at in LIMITS_C.items()}
    at = LIMITS_C[STEAM_TASK]
    steam = {
        words: points(STEAM_TASK, at, 0.0, "stops_at", key)
        for words, key in (
            ("share of anneals in steam", "steam"),
            ("reward gained by having steam", "gain_of_steam"),
        )
    }
    scans = {PILOT_TASK: points(PILOT_TASK, WIDTHS, 0.0, "belief", "scans")}
    folder.mkdir(parents=True, exist_ok=True)
    for name, title, x, y, lines in (
        ("dwell", "Longer where it may not be hotter", "furnaces stop earlier by, °C",
         "dwell of all anneals, h", dwell),
        ("steam", "Steam for BaTiO3", "furnaces stop at, °C", "share; reward", steam),
        ("scans", "Measured where unsure", "width of the belief over the prior's",
         "scans of a sample before its last", scans),
    ):  # fmt: skip
        figure = response_figure(title, x, y, lines)
        figure.write_html(folder / f"{name}.html", include_plotlyjs=True, full_html=True)


def _mean(name: str, values: FloatArray, unit: str) -> Row:
    """A mean over samples with its interval over laboratories; ``values`` (laboratories, n)."""
    value, low, high = _interval(values.mean(axis=1))
    return Row(name=name, value=value, low=low, high=high, unit=unit, n=values.size)


def _interval(values: FloatArray | Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95 % bootstrap interval."""
    array = np.asarray(values, dtype=np.float64)
    rng = generator("bench response", len(array))
    drawn = array[rng.integers(len(array), size=(RESAMPLES, len(array)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(array.mean()), float(low), float(high)
