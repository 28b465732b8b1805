"""Old records are lifted, newer ones refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from sdl.core import event as event_module
from sdl.core.errors import JournalError
from sdl.core.event import VERSIONS, CampaignBegun, Done, EventKind
from sdl.journal import tables, versions
from sdl.journal.chain import digest
from sdl.journal.journal import Journal
from sdl.journal.versions import Registry, known_kind, lift, upgrade

BEGUN = CampaignBegun(config={}, task={}, task_hash="t", capabilities={}, seed=7)


def append_raw(url: str, kind: str, version: int, payload: str) -> None:
    """Writes a record as another version of the program would have."""
    with Journal.open(url) as journal:
        head = journal._head
        args = (head.seq + 1, kind, version, 5.0, journal.epoch, payload)
        row = dict(zip(("seq", "kind", "version", "time_s", "epoch", "payload"), args, strict=True))
        with journal._transaction() as connection:
            connection.execute(
                insert(tables.events), {**row, "checksum": digest(head.checksum, *args)}
            )


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/campaign.db"
    Journal.create(url, BEGUN).close()
    return url


def test_an_old_record_is_lifted_over_two_steps(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry: Registry = {}

    @upgrade(EventKind.DONE, 1, registry)
    def _named(payload: dict[str, Any]) -> dict[str, Any]:
        return {"command": payload["id"], "grams": payload["grams"]}

    @upgrade(EventKind.DONE, 2, registry)
    def _milligrams(payload: dict[str, Any]) -> dict[str, Any]:
        return {"command": payload["command"], "result": {"mass_mg": 1000 * payload["grams"]}}

    append_raw(url, "DONE", 1, '{"grams":0.5,"id":"c1"}')
    monkeypatch.setitem(event_module.VERSIONS, EventKind.DONE, 3)
    for key, step in registry.items():
        monkeypatch.setitem(versions.UPGRADES, key, step)
    with Journal.open(url, owner=False) as journal:
        lifted = journal.events()[-1]
    assert lifted.version == 3
    assert lifted.read(Done) == Done(command="c1", result={"mass_mg": 500.0})


def test_a_missing_step_is_told() -> None:
    with pytest.raises(JournalError, match="no way from this version"):
        lift(EventKind.DONE, 1, {}, "r", registry={}, versions={**VERSIONS, EventKind.DONE: 2})


def test_two_steps_of_one_version_are_refused() -> None:
    registry: Registry = {}
    upgrade(EventKind.DONE, 1, registry)(dict)
    with pytest.raises(ValueError, match="already"):
        upgrade(EventKind.DONE, 1, registry)(dict)


@pytest.mark.parametrize(("kind", "version"), [("DONE", 99), ("SINTERED", 1)])
def test_a_newer_record_asks_for_an_update(url: str, kind: str, version: int) -> None:
    append_raw(url, kind, version, '{"command":"c1"}')
    for owner in (True, False):
        with pytest.raises(JournalError, match=r"newer program.*update the program") as caught:
            Journal.open(url, owner=owner)
        assert ", record 4: " in str(caught.value)


def test_a_record_that_does_not_fit_its_kind_is_told(url: str) -> None:
    append_raw(url, "DONE", 1, '{"commando":"c1"}')
    with (
        Journal.open(url, owner=False) as journal,
        pytest.raises(JournalError, match="does not fit its kind"),
    ):
        journal.events()


def test_every_present_version_is_known_and_every_older_one_lifts() -> None:
    for kind, present in VERSIONS.items():
        assert known_kind(kind.value, present, "r") is kind
        for old in range(1, present):
            assert (kind, old) in versions.UPGRADES
