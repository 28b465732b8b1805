"""What stands behind ``sdl simulate``."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdl.api import simulate
from sdl.core.errors import ConfigError
from sdl.figures.style import percent
from sdl.report.course import has_others, table_phases, table_rows
from sdl.report.simulation_page import laboratory_words, write_simulation
from simulators.simulation import Scan, Simulation

WIDTH = 150
"""Columns where nobody looks at a terminal."""
LEAST = 5e-4
"""Weight fraction below which a phase is not named."""

_LABORATORY = re.compile(r"(?:seed\s*)?(\d{1,9})")


def simulate_recipe(
    recipe: Path, system: str | None, lab: str, out: Path | None
) -> tuple[Simulation, tuple[Path, Path]]:
    """Simulates, writes page and table, and returns all three.

    Raises:
        ConfigError: The recipe, the system or an option is wrong.
    """
    simulation = simulate(recipe, system=system, lab=laboratory_number(lab))
    folder = Path("runs") / f"simulate-{simulation.name}" if out is None else out
    return simulation, write_simulation(simulation, folder)


def laboratory_number(lab: str) -> int | None:
    """The number in ``7`` or ``seed 7``; ``None`` for ``nominal``.

    Raises:
        ConfigError: It is neither.
    """
    if lab == "nominal":
        return None
    match = _LABORATORY.fullmatch(lab.strip())
    if match is None:
        raise ConfigError(
            "there is no such laboratory",
            got=f"--lab {lab}",
            allowed="nominal, or a number as 7",
            do="choose nominal, or any number to draw one",
        )
    return int(match[1])


def to_json(simulation: Simulation, files: tuple[Path, Path]) -> dict[str, Any]:
    """The simulation as JSON values; the whole history, phases in weight fractions."""
    history = simulation.history
    present = [i for i, top in enumerate(history.weight_fraction.max(axis=0)) if top > 0.0]
    return {
        "name": simulation.name,
        "system": simulation.system,
        "laboratory": simulation.laboratory,
        "recipe": simulation.recipe.model_dump(mode="json"),
        "final": simulation.final,
        "scans": [_scan_json(scan) for scan in simulation.scans],
        "history": {
            "time_h": history.time_h.tolist(),
            "temperature_c": history.temperature_c.tolist(),
            "program_c": history.program_c.tolist(),
            "gas": list(history.gas),
            "step": (history.step + 1).tolist(),
            "mass_mg": history.mass_mg.tolist(),
            "weight_fraction": {
                history.phases[i]: history.weight_fraction[:, i].tolist() for i in present
            },
        },
        "notes": list(simulation.notes),
        "files": [str(file) for file in files],
    }


def _scan_json(scan: Scan) -> dict[str, Any]:
    return {
        "time_h": scan.time_h,
        "scan_min": scan.scan_min,
        "phases": {name: amount.model_dump() for name, amount in scan.fit.phases.items()},
        "unexplained": scan.fit.unexplained,
        "reduced_chi2": scan.fit.reduced_chi2,
        "without_pattern": list(scan.unseen),
    }


def show(simulation: Simulation, files: tuple[Path, Path]) -> None:
    """Prints the course as a table, the end, what a scan says of it, and the files."""
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, highlight=False, width=WIDTH)
    console.print(Text(f"{simulation.title}: {simulation.system}, {laboratory_words(simulation)}"))
    console.print(_table(simulation))
    shares = (f"{n} {percent(w)}" for n, w in simulation.final.items() if w >= LEAST)
    console.print(Text(f"at the end: {', '.join(shares) or 'nothing crystalline'}", "bold"))
    for scan in simulation.scans:
        console.print(Text(f"measured after {scan.time_h:.1f} h: {_measured(scan)}"))
    for note in simulation.notes:
        console.print(Text(f"note: {note}"))
    page, table = files
    console.print(Text(f"wrote {page} and {table}"), soft_wrap=True)


def _measured(scan: Scan) -> str:
    amounts = sorted(scan.fit.phases.items(), key=lambda item: -item[1].weight_fraction)
    shares = [
        f"{name} {percent(a.weight_fraction, a.sigma)}"
        for name, a in amounts
        if a.weight_fraction > max(2.0 * a.sigma, LEAST)
    ]
    words = ", ".join(shares) or "nothing crystalline is seen"
    return f"{words}; unexplained intensity {percent(scan.fit.unexplained)}"


def _table(simulation: Simulation) -> Table:
    table = Table(box=box.SIMPLE, title="wt% of the crystalline part", title_justify="left")
    table.add_column("time h", justify="right")
    table.add_column("°C", justify="right")
    for name in table_phases(simulation.history):
        table.add_column(Text(name), justify="right", no_wrap=True)
    rows = table_rows(simulation.history)
    others = has_others(rows)
    if others:
        table.add_column("others", justify="right")
    table.add_column("")
    for row in rows:
        shares = [f"{100.0 * share:.1f}" for share in row.fractions]
        shares += [f"{100.0 * row.others:.1f}"] if others else []
        style = "" if row.words else "dim"
        table.add_row(
            f"{row.time_h:.2f}", f"{row.temperature_c:.0f}", *shares, Text(row.words), style=style
        )
    return table
