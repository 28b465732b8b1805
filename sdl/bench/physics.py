"""``sdl bench physics``: validation gates V1 to V9, the figures behind them and their plots."""

from __future__ import annotations

import importlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.chemistry.system import load_system, system_names
from sdl.core.errors import ConfigError
from sdl.core.model import content_hash
from simulators.gates.figure import Figure

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from sdl.analysis.mixtures import Mixture

Plots = Callable[[], "Mapping[str, go.Figure]"]
"""Draws the plots of a gate by file name; called only where they are wanted."""

RECIPES, ANNEALS = 1000, 200
"""Of V1: recipes over all systems (or in the one asked for), anneals by LSODA for each system."""
QUICK_RECIPES, QUICK_ANNEALS = 80, 3
DATA = Path("../shared/data")
"""Where measured data lie unless ``SDL_DATA`` says otherwise."""
MIXTURES = Path("xrd_mixtures/dataset.tar.gz")
YBCO_GATES = "surrogates.gate_ybco"
REPORTED = "reported"
"""A figure whose target ends so decides nothing: it becomes a row and no gate."""


@dataclass(frozen=True)
class Found:
    """What one section of the bench found."""

    figures: tuple[Figure, ...]
    plots: Plots = dict


@dataclass(frozen=True)
class Section:
    """Gates that are run together."""

    name: str
    systems: tuple[str, ...] | None
    """The chemical systems they concern; ``None`` for every one."""
    run: Callable[[bool, str | None], Found]
    """Takes whether to be quick, and the one system asked for."""


def run(
    *, quick: bool = False, system: str | None = None, plots: Path | None = None
) -> BenchReport:
    """Runs the gates.

    Args:
        quick: Smaller samples of the same kind.
        system: Only gates that concern this chemical system; all if ``None``.
        plots: Folder for the plot behind each gate.

    Raises:
        ConfigError: There is no such chemical system.
    """
    if system is not None and system not in system_names():
        raise ConfigError(
            "there is no such chemical system", got=repr(system), allowed=", ".join(system_names())
        )
    figures: list[Figure] = []
    for section in SECTIONS:
        if system is not None and section.systems is not None and system not in section.systems:
            continue
        found = section.run(quick, system)
        figures += found.figures
        if plots is not None:
            _write(found.plots(), plots)
    names = system_names() if system is None else (system,)
    return BenchReport(
        bench="physics",
        commit=commit(),
        task=content_hash([content_hash(load_system(name)) for name in names]),
        machine=machine(),
        rows=tuple(_row(f) for f in figures if math.isfinite(f.value)),
        gates=tuple(_gate(f) for f in figures if not f.target.endswith(REPORTED)),
    )


def _row(figure: Figure) -> Row:
    return Row(name=f"{figure.gate}.{figure.name}", value=figure.value, unit=figure.unit or "1")


def _gate(figure: Figure) -> Gate:
    target = f"{figure.target}; {figure.note}" if figure.note else figure.target
    return Gate(
        id=f"{figure.gate}.{figure.name}",
        target=target,
        # A reaction that never crosses zero has no figure: the verdict stands for it.
        value=figure.value if math.isfinite(figure.value) else float(figure.ok),
        passed=figure.ok,
    )


def _write(figures: Mapping[str, go.Figure], folder: Path) -> None:
    """Writes pages that share one copy of plotly.js in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.write_html(folder / f"{name}.html", include_plotlyjs="directory")


def skipped(gate: str, reason: str) -> Found:
    """A gate that could not be run: it says why and never passes."""
    return Found((Figure(gate, "skipped", math.nan, f"skipped: {reason}", ok=False),))


def _conservation(quick: bool, system: str | None) -> Found:
    from simulators.gates.conservation import conservation, figures_of

    names = system_names() if system is None else (system,)
    recipes = (QUICK_RECIPES if quick else RECIPES) // len(names)
    every = [conservation(name, recipes, QUICK_ANNEALS if quick else ANNEALS) for name in names]

    def plots() -> dict[str, go.Figure]:
        from sdl.figures.gates import refinement

        changes = {each.system: each.change for each in every}
        return {"V1": refinement(changes, {each.system: each.finished for each in every})}

    return Found(tuple(f for each in every for f in figures_of(each)), plots)


def _crossings(quick: bool, system: str | None) -> Found:
    import numpy as np

    from simulators.gates.thermochemistry import gate_v2

    figures = gate_v2(system)

    def plots() -> dict[str, go.Figure]:
        from sdl.figures.gates import crossings

        shown = [f for f in figures if math.isfinite(f.value) and f.target != "none"]
        known = np.array([float(f.target.split(" +- ")[0]) for f in shown])
        found = np.array([f.value for f in shown])
        return {"V2": crossings([f.name for f in shown], found, known)} if shown else {}

    return Found(figures, plots)


def _laws(quick: bool, system: str | None) -> Found:
    from simulators.gates.laws import SERIES, gate_v3, refit

    def plots() -> dict[str, go.Figure]:
        from sdl.figures.gates import Line, arrhenius

        lines = [
            Line(s.name, s.temperatures_c, found.k_per_s, found.activation_kj_per_mol,
                 s.activation_kj_per_mol)
            for s in SERIES
            if system in (None, s.system)
            for found in (refit(s),)
        ]  # fmt: skip
        return {"V3": arrhenius(lines)}

    return Found(gate_v3(system), plots)


def _curve(quick: bool, system: str | None) -> Found:
    from simulators.gates.curve import PUBLISHED, gate_v4, purity_curve

    def plots() -> dict[str, go.Figure]:
        from sdl.figures.gates import conversion_curves

        temperatures = tuple(float(t) for t in range(550, 1001, 10))
        words = [f"{gas.value} {dwell:g} h" for _, dwell, gas, _, _ in PUBLISHED]
        curves = {
            word: purity_curve(gas, dwell, temperatures)
            for word, (_, dwell, gas, _, _) in zip(words, PUBLISHED, strict=True)
        }
        bounds = [
            (t, bound, f"{sign} {100 * bound:g} wt%, {word}")
            for word, (t, _, _, bound, sign) in zip(words, PUBLISHED, strict=True)
        ]
        return {"V4": conversion_curves(temperatures, curves, bounds)}

    return Found(gate_v4(), plots)


def _prior(quick: bool, system: str | None) -> Found:
    from simulators.gates.prior import BELOW_C, coldest_firings, figures_of

    found = coldest_firings(system)

    def plots() -> dict[str, go.Figure]:
        from sdl.figures.gates import Range, firing_ranges

        return {
            f"V8-{reading}": firing_ranges(
                [
                    Range(f"{r.firing.target} (n {r.firing.n})", r.firing.low_c,
                          r.firing.median_c, r.firing.high_c, r.firing.low_c - BELOW_C,
                          r.coldest_c, r.inside)
                    for r in rows
                ],
                f"V8: coldest firing to 95 wt%, published recipes: {reading}",
            )
            for reading, rows in found.items()
            if rows
        }  # fmt: skip

    return Found(figures_of(found, whole=system is None), plots)


def _elsewhere(
    gate: str,
    module: str,
    name: str,
    plots: Callable[[bool], Mapping[str, go.Figure]] | None = None,
) -> Callable[[bool, str | None], Found]:
    """A gate of another module: ``name(quick=...)`` returns its figures."""

    def run_it(quick: bool, system: str | None) -> Found:
        if find_spec(module) is None:
            return skipped(gate, f"{module} is not part of this version")
        try:
            figures = getattr(importlib.import_module(module), name)(quick=quick)
        except FileNotFoundError as err:
            return skipped(gate, f"{err.filename} is not there")
        return Found(tuple(figures), dict if plots is None else partial(plots, quick))

    return run_it


def _ybco_yields(quick: bool, system: str | None) -> Found:
    """V5, with one calculation of the yields for figures and plots."""
    if find_spec(YBCO_GATES) is None:
        return skipped("V5", f"{YBCO_GATES} is not part of this version")
    gates = importlib.import_module(YBCO_GATES)
    try:
        data = gates.v5_data(quick=quick)
    except FileNotFoundError as err:
        return skipped("V5", f"{err.filename} is not there")

    def plots() -> dict[str, go.Figure]:
        from sdl.figures.gates import predicted_measured

        sides = {
            "in-sample": ("in the sample of the fit", data.fitted),
            "left-out": ("barium source left out of the fit", data.left_out),
        }
        return {
            f"V5-{side}": predicted_measured(
                found.twin,
                found.measured,
                [f"{cell.temperature_c:g} °C" for cell in found.cells],
                [" + ".join(cell.precursors) for cell in found.cells],
                f"V5: yields of YBCO, {words}",
            )
            for side, (words, found) in sides.items()
        }

    return Found(tuple(gates.gate_v5(quick=quick, data=data)), plots)


def _ybco_phases_plot(quick: bool) -> dict[str, go.Figure]:
    """V6: phases of all firings with phases, at the optimum of the fit to all of them."""
    import numpy as np

    from sdl.figures.gates import phase_bars
    from sdl.tasks.ybco import load_cells

    gates = importlib.import_module(YBCO_GATES)
    twin = gates.ybco_twin(gates.QUICK_TOLERANCE)
    cells = [c for c in load_cells() if c.weight_fractions is not None]
    seen = gates.scans(twin, gates.load_fits().fits[gates.ALL].scaled[:1], cells)[0]
    shown = seen >= gates.DETECTION
    there = np.array([[(c.weight_fractions or {}).get(p, 0.0) > 0 for p in twin.phases]
                      for c in cells])  # fmt: skip
    rows = [
        (phase, (there & shown)[:, k].sum(), (there & ~shown)[:, k].sum(),
         (~there & shown)[:, k].sum())
        for k, phase in enumerate(twin.phases)
        if (there | shown)[:, k].any()
    ]  # fmt: skip
    names, hits, missed, false = zip(*rows, strict=True)
    return {"V6": phase_bars(names, hits, missed, false)}


def _in_situ_plot(quick: bool) -> dict[str, go.Figure]:
    from sdl.figures.gates import in_situ
    from surrogates.gate_insitu import insitu_curves

    c = insitu_curves(quick)
    return {"V7": in_situ(c.time_min, c.temperature_c, c.phases, c.measured, c.simulated)}


def _observation(quick: bool, system: str | None) -> Found:
    """V9: real scans where the measured data are, simulated ones in any case.

    Quick leaves out what needs many patterns: missing phases in real scans, the fast estimate.
    """
    from simulators import observation_gate as v9

    figures: list[Figure] = []
    draw: Plots = dict
    archive = Path(os.environ.get("SDL_DATA", DATA)) / MIXTURES
    if not archive.is_file():
        figures += skipped("V9", f"no measured scans at {archive} (set SDL_DATA)").figures
    elif system is None:
        from sdl.analysis.mixtures import read_mixtures

        mixtures = read_mixtures(archive)
        figures += [*v9.gate_v9_sigma(mixtures), *v9.gate_v9_noise(mixtures)]
        figures += () if quick else v9.gate_v9_left_out(mixtures)
        draw = partial(_scan_plot_of, mixtures)

    planted = [p for p in v9.PLANTED if system in (None, p[0])]
    if planted:
        figures += v9.gate_v9_planted(5 if quick else 20, planted=planted[: 2 if quick else None])
    if not quick:
        figures += v9.gate_v9_quick(system or "ba-ti-c-o")
    return Found(tuple(figures), draw)


def _scan_plot_of(mixtures: Sequence[Mixture]) -> dict[str, go.Figure]:
    import numpy as np

    from sdl.figures.gates import scan_errors
    from simulators.observation_gate import hold_out

    held = hold_out(mixtures)
    return {
        "V9": scan_errors(
            np.concatenate([h.errors for h in held]),
            np.concatenate([h.sigma for h in held]),
            np.repeat([h.minutes for h in held], [h.errors.size for h in held]),
            [h.mixture for h in held for _ in h.errors],
        )
    }


YBCO, IN_SITU = "y-ba-cu-c-o", "y-mn-na-cl-c-o"
SECTIONS = (
    Section("V1", None, _conservation),
    Section("V2", None, _crossings),
    Section("V3", ("mg-zn-ni-mn-co-fe-o", "sr-ti-c-o", "ba-ti-c-o"), _laws),
    Section("V4", ("ba-ti-c-o",), _curve),
    Section("V5", (YBCO,), _ybco_yields),
    Section("V6", (YBCO,), _elsewhere("V6", YBCO_GATES, "gate_v6", _ybco_phases_plot)),
    Section("line9", (YBCO,), _elsewhere("line9", YBCO_GATES, "gate_line9")),
    Section("V7", (IN_SITU,), _elsewhere("V7", "surrogates.gate_insitu", "gate_v7", _in_situ_plot)),
    Section("V8", None, _prior),
    Section("V9", None, _observation),
)
"""In the order of the reference; line9 is the calibration on half of the precursor sets."""
