"""Writes the page of a campaign: one HTML file that needs no network."""

from __future__ import annotations

from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from sdl.core.errors import MissingExtraError
from sdl.journal.journal import Journal
from sdl.report.record import CampaignRecord, read_record
from sdl.report.writing import write_whole


def write_page(url: str, out: Path, *, with_random: bool = True) -> Path:
    """Writes the report of a campaign, in progress or over.

    Args:
        url: The journal, as ``sqlite:///runs/demo/campaign.db``; it is read only, so a controller
            may be at work on it.
        out: The file to write; an earlier one is replaced.
        with_random: Whether to run random campaigns to compare with; it takes some seconds.

    Returns:
        The path written.

    Raises:
        JournalError: Absent or damaged.
        ConfigError: ``out`` cannot be written.
        MissingExtraError: plotly or jinja2 is not installed.
    """
    for package in ("plotly", "jinja2"):
        if find_spec(package) is None:
            raise MissingExtraError(package, "report", "the report")
    with Journal.open(url, owner=False) as journal:
        text = _render(read_record(journal), journal, with_random=with_random)
    return write_whole(out, text, "the report")


def _render(record: CampaignRecord, journal: Journal, *, with_random: bool) -> str:
    # Both extras are optional, and this module must import without them to say so.
    import jinja2
    import markupsafe
    from plotly.offline import get_plotlyjs

    from sdl.report.sections import html_of, sections
    from sdl.report.words import facts, headline, rows, strip, told

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = resources.files("sdl.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    shown = sections(record, journal.blobs, with_random=with_random)
    return environment.from_string(source).render(
        name=record.config.name,
        task=record.task,
        headline=headline(record),
        facts=facts(record),
        strip=strip(record),
        # Plotly writes its JSON with <, > and / escaped, so nothing can end the script early.
        sections=[(s, markupsafe.Markup(fragment)) for s, fragment in html_of(shown)],
        rows=rows(record),
        refusals=record.refusals,
        waiting=record.waiting,
        told=told(record),
        prices=record.task.prices,
        plotly_js=markupsafe.Markup(get_plotlyjs()),
    )
