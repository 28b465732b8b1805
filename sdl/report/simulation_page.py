"""Writes a simulated recipe as one HTML file that needs no network, and its history as CSV."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import jinja2
import markupsafe
from plotly.offline import get_plotlyjs

from sdl.figures.history import phases_against_time
from sdl.figures.pattern import pattern_with_fit
from sdl.figures.style import percent
from sdl.report.course import course_of, csv_text, has_others, table_phases, table_rows
from sdl.report.scan_fit import drawn_fit
from sdl.report.writing import write_whole
from simulators.simulation import Scan, Simulation

PAGE, TABLE = "simulation.html", "history.csv"


def write_simulation(simulation: Simulation, folder: Path) -> tuple[Path, Path]:
    """Writes ``simulation.html`` and ``history.csv``; returns their paths.

    Raises:
        ConfigError: The folder cannot be written to.
    """
    table = write_whole(folder / TABLE, csv_text(simulation.history), "the history")
    return write_whole(folder / PAGE, _render(simulation), "the page"), table


def _render(simulation: Simulation) -> str:
    figures = [phases_against_time(course_of(simulation), "Phases and temperature against time")]
    for scan in simulation.scans:
        drawn = drawn_fit(scan.counts, scan.fit, scan.references, scan.grid)
        title = f"Powder pattern after {scan.time_h:.1f} h ({scan.scan_min:g} min) with its fit"
        figures.append(pattern_with_fit(drawn, title))
    captions = [
        "True weight fractions of the crystalline part, which a laboratory does not see; grey: "
        "temperature of the sample. Click a name to hide its line.",
        *(_caption(scan) for scan in simulation.scans),
    ]
    config = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["lasso2d"]}
    fragments = [
        figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"figure-{i}", config=config)
        for i, figure in enumerate(figures)
    ]
    rows = table_rows(simulation.history)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("sdl.report").joinpath("simulation.html.j2")
    return environment.from_string(source.read_text(encoding="utf-8")).render(
        simulation=simulation,
        laboratory=laboratory_words(simulation),
        final=[(name, 100.0 * w) for name, w in simulation.final.items() if w >= 5e-4],
        recipe=simulation.recipe.sentence(),
        figures=[(markupsafe.Markup(f), c) for f, c in zip(fragments, captions, strict=True)],
        phases=table_phases(simulation.history),
        rows=rows,
        others=has_others(rows),
        scans=[(scan, _compared(scan)) for scan in simulation.scans],
        plotly_js=markupsafe.Markup(get_plotlyjs()),
    )


def laboratory_words(simulation: Simulation) -> str:
    """Which laboratory it was, for people."""
    if simulation.laboratory == "nominal":
        return "nominal laboratory: every label and figure is true"
    return f"laboratory {simulation.laboratory}: figures drawn within their widths"


def _caption(scan: Scan) -> str:
    words = (
        f"Simulated counts and the fit of the known phases: reduced χ² {scan.fit.reduced_chi2:.2f}"
        f", unexplained intensity {100.0 * scan.fit.unexplained:.1f} %."
    )
    if scan.unseen:
        words += f" Without a pattern and so not in it: {', '.join(scan.unseen)}."
    return words


def _compared(scan: Scan) -> list[tuple[str, str, str]]:
    """Phase, truth, measurement: every phase that is there or was found."""
    names = sorted(scan.truth, key=lambda name: -scan.truth[name])
    names += [name for name in scan.fit.phases if name not in scan.truth]
    lines = []
    for name in names:
        truth, amount = scan.truth.get(name, 0.0), scan.fit.phases.get(name)
        found = amount is not None and amount.weight_fraction > max(2.0 * amount.sigma, 0.001)
        if truth < 5e-4 and not found:
            continue
        measured = "no pattern" if amount is None else percent(amount.weight_fraction, amount.sigma)
        lines.append((name, percent(truth), measured))
    return lines
