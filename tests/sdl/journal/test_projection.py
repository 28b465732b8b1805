"""Equal campaigns have equal projections, whatever process ran them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdl.core.event import Boot, CampaignBegun, Done, Event, EventKind
from sdl.journal.journal import Journal
from sdl.journal.projection import projection, projection_hash

DONE = Event.of(60.0, Done(command="c1", result={"balance_mg": 12.5}))


def campaign(**config: Any) -> Event:
    return Event.of(
        0.0,
        CampaignBegun(config=config, task={}, task_hash="t", capabilities={"name": "l"}, seed=7),
    )


def test_boots_numbers_and_epochs_are_left_out(tmp_path: Path) -> None:
    hashes = set()
    for name, boots in (("a", 0), ("b", 2)):
        url = f"sqlite:///{tmp_path}/{name}/campaign.db"
        begun = campaign(name=name, store=url, lab="virtual", task=f"{tmp_path}/{name}/t.yaml")
        Journal.create(url, begun.read(CampaignBegun)).close()
        for _ in range(boots):
            Journal.open(url).close()
        with Journal.open(url) as journal:
            journal.append(DONE)
            events = journal.events()
        lines = projection(events)
        assert len(lines) == 2
        assert [k for k in EventKind if f'"kind":"{k}"' in "".join(lines)] == [
            EventKind.CAMPAIGN,
            EventKind.DONE,
        ]
        hashes.add(projection_hash(events))
    assert len(hashes) == 1


def test_uids_and_wall_stamps_in_results_are_left_out() -> None:
    stamped = Event.of(
        60.0,
        Done(
            command="c1",
            result={"balance_mg": 12.5, "run_uid": "4f0c", "timestamp": 1.7e9},
        ),
    )
    assert projection([stamped]) == projection([DONE])
    assert projection([DONE]) == [
        '{"kind":"DONE","payload":{"command":"c1","result":{"balance_mg":12.5}},"time_s":60.0}'
    ]


@pytest.mark.parametrize(
    "other",
    [
        Event.of(61.0, Done(command="c1", result={"balance_mg": 12.5})),
        Event.of(60.0, Done(command="c2", result={"balance_mg": 12.5})),
        Event.of(60.0, Done(command="c1", result={"balance_mg": 12.500000000000002})),
    ],
)
def test_time_command_and_result_count(other: Event) -> None:
    assert projection_hash([DONE]) != projection_hash([other])


def test_order_and_policy_count() -> None:
    second = Event.of(60.0, Done(command="c2"))
    assert projection_hash([DONE, second]) != projection_hash([second, DONE])
    assert projection([campaign(policy="random")]) != projection([campaign(policy="default")])


def test_every_kind_but_boot_is_in() -> None:
    boot = Boot(epoch=1, boot_id="", pid=1, monotonic_s=0.0, utc="", versions={}, cpu="")
    assert projection([Event.of(0.0, boot)]) == []
