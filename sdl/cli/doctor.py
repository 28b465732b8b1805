"""What stands behind ``sdl doctor``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdl.analysis.doctor import examine_structures
from sdl.chemistry.doctor.examine import examine
from sdl.chemistry.doctor.finding import Finding
from sdl.chemistry.doctor.reading import read_draft
from sdl.chemistry.doctor.sources import Prior, counts, priors
from sdl.chemistry.system import system_names
from sdl.core.model import Frozen

SHOWN = 6
"""Entries of a finding in the table; JSON holds all."""
WIDTH = 150
"""Columns where nobody looks at a terminal."""

_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": "dim"}


class Examination(Frozen):
    """All that was found of one system."""

    system: str
    file: str
    state: str
    """The worst of the findings: ok, warning or failed."""
    findings: tuple[Finding, ...]
    figures: dict[str, int]
    """How many figures are measured, recalled, computed, estimated, unsourced."""
    priors: tuple[Prior, ...]

    @property
    def failed(self) -> bool:
        """Whether a check failed."""
        return self.state == "failed"


def examine_system(name: str) -> Examination:
    """All checks of one system.

    Args:
        name: A name as ``ba-ti-c-o`` or the path of a system file.

    Raises:
        ConfigError: There is no such system, or its file is no system file.
    """
    draft = read_draft(name)
    findings = (*examine(draft), *examine_structures(draft))
    states = {finding.state for finding in findings}
    return Examination(
        system=draft.system.name,
        file=str(draft.path),
        state=next((s for s in ("failed", "warning") if s in states), "ok"),
        findings=findings,
        figures=counts(draft.system),
        priors=priors(draft.system),
    )


def examine_systems(name: str | None) -> list[Examination]:
    """All checks of one system, or of every one that ships."""
    return [examine_system(each) for each in ([name] if name else system_names())]


def to_json(examinations: Sequence[Examination]) -> list[dict[str, Any]]:
    """The examinations as JSON values."""
    return [each.model_dump(mode="json") for each in examinations]


def show(examinations: Sequence[Examination], *, with_priors: bool) -> None:
    """Prints a table for each system, and its priors where asked for."""
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console = Console(file=sys.stdout, highlight=False, width=WIDTH)
    for each in examinations:
        console.print(Text(f"{each.system} ({each.file})", "bold"), soft_wrap=True)
        console.print(_table(each))
        if with_priors and each.priors:
            console.print("priors: figures that nobody measured, with their standard deviations")
            console.print(_prior_table(each))
        console.print(_verdict(each))


def _table(examination: Examination) -> Table:
    table = Table(box=box.SIMPLE)
    table.add_column("check", no_wrap=True)
    table.add_column("state")
    table.add_column("found")
    for finding in examination.findings:
        words = Text(finding.words)
        for detail in finding.details[:SHOWN]:
            words.append(f"\n  {detail}")
        if len(finding.details) > SHOWN:
            words.append(f"\n  and {len(finding.details) - SHOWN} more (see --json)", "dim")
        state = Text(finding.state, _STYLES[finding.state])
        table.add_row(Text(finding.check), state, words)
    return table


def _prior_table(examination: Examination) -> Table:
    table = Table(box=box.SIMPLE)
    for column in ("figure", "rests on", "width"):
        table.add_column(column)
    for prior in examination.priors:
        table.add_row(Text(prior.name), prior.basis, prior.width)
    return table


def _verdict(examination: Examination) -> Text:
    tally = {s: sum(f.state == s for f in examination.findings) for s in _STYLES}
    words = ", ".join(f"{n} {state}" for state, n in tally.items() if n)
    return Text(f"{examination.system}: {words}\n", _STYLES[examination.state])
