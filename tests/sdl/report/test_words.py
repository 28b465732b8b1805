from __future__ import annotations

from dataclasses import replace

import pytest

from sdl.campaign.config import CampaignConfig, StopConfig
from sdl.core.material import PhaseAmount
from sdl.journal.journal import Journal
from sdl.report.record import CampaignRecord, Experiment, read_record
from sdl.report.words import facts, headline, rows, strip


@pytest.fixture(scope="module")
def record(finished_url: str) -> CampaignRecord:
    with Journal.open(finished_url, owner=False) as journal:
        return read_record(journal)


def _changed(record: CampaignRecord, sample: str, purity: float) -> CampaignRecord:
    """The record with another measured purity of one sample."""

    def change(experiment: Experiment) -> Experiment:
        if experiment.sample != sample or experiment.observation is None:
            return experiment
        phases = {"BaTiO3": PhaseAmount(weight_fraction=purity, sigma=0.004)}
        return replace(
            experiment, observation=experiment.observation.model_copy(update={"phases": phases})
        )

    return replace(
        record,
        experiments=tuple(map(change, record.experiments)),
        finished=tuple(map(change, record.finished)),
    )


def _without(record: CampaignRecord, sample: str) -> CampaignRecord:
    return replace(record, finished=tuple(e for e in record.finished if e.sample != sample))


def test_repeat_confirms(record: CampaignRecord) -> None:
    shown = headline(record)
    assert shown.good is True
    assert shown.verdict.endswith("96.0 ± 0.4 % (S3): confirmed.")


def test_without_repeat_it_was_measured_once(record: CampaignRecord) -> None:
    shown = headline(_without(record, "S3"))
    assert shown.good is None
    assert "measured once and not repeated" in shown.verdict


def test_failed_repeat_refutes(record: CampaignRecord) -> None:
    shown = headline(_changed(record, "S3", 0.7))
    assert shown.good is False
    assert "0 of 1 repeats reached it" in shown.verdict


def test_goal_of_the_campaign_goes_before_that_of_the_task(record: CampaignRecord) -> None:
    config = CampaignConfig.model_validate(
        {**record.config.model_dump(), "stop": StopConfig(purity=0.99).model_dump()}
    )
    shown = headline(replace(record, config=config))
    assert shown.good is False
    assert shown.verdict == "The goal of 99 % was not reached by any measurement that counts."


def test_highest_once_while_another_recipe_is_confirmed(record: CampaignRecord) -> None:
    shown = headline(_changed(record, "S1", 0.985))
    assert shown.good is True
    assert "reached and repeated by S2 and S3" in shown.verdict
    assert "S1, measured once" in shown.verdict


def test_a_table_cannot_repeat(record: CampaignRecord) -> None:
    config = record.config.model_copy(update={"lab": "table"})
    shown = headline(_without(replace(record, config=config), "S3"))
    assert shown.good is None
    assert "cannot repeat it" in shown.verdict


def test_facts_name_what_a_rerun_needs(record: CampaignRecord) -> None:
    names = dict(facts(record))
    assert names["Task hash (SHA-256)"] == record.task_hash
    assert names["Seeds"] == "campaign 5, hidden laboratory 0"
    assert "python" in names["Versions"]
    assert names["Experiments"] == "4 finished, 1 of them failed"
    assert "policy" in [words for _, words in strip(record)]


def test_rows_mark_best_goal_and_failure(record: CampaignRecord) -> None:
    table = rows(record)
    assert [(r.sample, r.proposal, r.mark) for r in table] == [
        ("S1", "P1", ""),
        ("S2", "P2", "best"),
        ("S3", "P4", "reached"),
        ("S4", "P5", "failed"),
    ]
    assert table[3].measured == "–"
