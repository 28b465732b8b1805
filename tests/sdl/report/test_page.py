from __future__ import annotations

import html
import re
import time
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from sdl.campaign.config import BudgetConfig, CampaignConfig
from sdl.campaign.opening import begin
from sdl.core.errors import ConfigError, MissingExtraError
from sdl.report.page import write_page
from sdl.tasks.task import load_task


class _Elements(HTMLParser):
    """Collects tags with attributes, and the text outside scripts and styles."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


@pytest.fixture(scope="module")
def page(finished_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "deep" / "report.html"
    assert write_page(finished_url, out, with_random=False) == out
    return out.read_text(encoding="utf-8")


def test_page_is_one_file_that_needs_no_network(page: str) -> None:
    elements = _Elements(page)
    for tag, attributes in elements.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "img"), tag
        for name in ("src", "href", "srcset", "action", "data"):
            assert name not in attributes, (tag, attributes)
    policy = next(a for t, a in elements.tags if t == "meta" and "http-equiv" in a)
    assert (policy["content"] or "").startswith("default-src 'none'")
    assert page.count("plotly.js v") <= 2
    assert len(page.encode()) < 6_000_000


def test_page_holds_every_experiment_with_reason_and_result(page: str) -> None:
    text = _Elements(page).text
    for words in (
        "first guess",
        "the belief gives 70 % to win",
        "repeat of S2",
        "a cheap check",
        "90.0 ± 5.0 %",
        "97.0 ± 0.4 %",
        "BaCO3 60.0 ± 0.4 %",
        "furnace-temperature",
        "hotter than allowed",
        "failed: the door is open",
        "880 °C for 12 h in air",
    ):
        assert words in text, words
    for number in (1, 2, 3, 4):
        assert f">S{number}<" in page


def test_headline_names_result_goal_and_repeat(page: str) -> None:
    text = _Elements(page).text
    assert "BaTiO3 97.0 ± 0.4 % by weight of the crystalline part, sample S2" in text
    assert (
        "The goal of 95 % was reached by S2; the same recipe again gave 96.0 ± 0.4 % (S3)" in text
    )
    assert "confirmed." in text
    assert "No real sample was made" in text
    assert load_task("batio3-coarse").name in text
    assert "python " in text, "versions of the first start"


def test_figures_are_all_there(page: str) -> None:
    for name in ("best", "phases", "pattern", "recipe", "search", "parity", "stations"):
        assert f'id="figure-{name}"' in page, name


def test_text_from_files_is_escaped(page: str) -> None:
    elements = _Elements(page)
    assert not any("onerror" in attributes for _, attributes in elements.tags)
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert html.escape("<script>alert(1)</script>") in page
    assert "{{ 7*7 }}" in elements.text, "text of a file is no template"
    # The library, one script per figure and the closing one; a text that broke out would add more.
    assert len(re.findall(r"<script\b", _without_library(page))) <= 2 * 7 + 2


def _without_library(page: str) -> str:
    start = page.index('<section id="figures">')
    return page[start:]


def test_quick_without_the_random_band(finished_url: str, tmp_path: Path) -> None:
    begun = time.process_time()
    write_page(finished_url, tmp_path / "report.html", with_random=False)
    assert time.process_time() - begun < 5.0


def test_campaign_in_progress(unfinished_url: Callable[[int], str], tmp_path: Path) -> None:
    out = write_page(unfinished_url(1), tmp_path / "report.html", with_random=False)
    text = _Elements(out.read_text(encoding="utf-8")).text
    assert "In progress: 1 of 24 experiments finished, 1 on their way" in text
    assert "waiting for a decision: P3" in text
    assert "on its way, at furnace_1" in text
    assert "nobody has looked at it" in text
    assert "The goal of 95 % was not reached: S1 does not count: 30.0 % of the intensity" in text


def test_campaign_without_results(unfinished_url: Callable[[int], str], tmp_path: Path) -> None:
    out = write_page(unfinished_url(0), tmp_path / "report.html", with_random=False)
    text = _Elements(out.read_text(encoding="utf-8")).text
    assert "No purity was measured yet." in text
    assert "No experiment has given a measurement yet" in text


def test_missing_pattern_is_said(finished_url: str, tmp_path: Path) -> None:
    folder = Path(finished_url.removeprefix("sqlite:///")).parent
    copy = tmp_path / "campaign.db"
    copy.write_bytes((folder / "campaign.db").read_bytes())
    out = write_page(f"sqlite:///{copy}", tmp_path / "report.html", with_random=False)
    text = _Elements(out.read_text(encoding="utf-8")).text
    assert "The pattern of the best sample cannot be drawn" in text


def test_table_campaign_with_random_band(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'campaign.db'}"
    config = CampaignConfig(
        name="table",
        task="ybco-routes",
        lab="table",
        policy="random",
        budget=BudgetConfig(experiments=8),
    )
    campaign = begin(config, load_task("ybco-routes"), url)
    campaign.run()
    campaign.lab.close()
    campaign.journal.close()
    out = write_page(url, tmp_path / "report.html")
    text = _Elements(out.read_text(encoding="utf-8")).text
    assert "Measured results replayed from a table" in text
    assert "counted from 188 experiments at random drawn from the same table" in text
    assert "There is no powder pattern" in text
    assert "The policy random predicts nothing" in text


def test_absent_extra_and_unwritable_place(
    finished_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(ConfigError, match="the report cannot be written"):
        write_page(finished_url, tmp_path / "file" / "report.html", with_random=False)
    monkeypatch.setattr("sdl.report.page.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"solid-state-sdl\[report\]"):
        write_page(finished_url, tmp_path / "report.html")
