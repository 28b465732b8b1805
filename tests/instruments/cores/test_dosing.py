"""A dosing unit against a scripted one: what precedes a dose, how it ends, how it stops."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from dosing_unit import DosingUnit, listening
from golden import mt_sics as golden
from instruments.cores import dosing as module
from instruments.cores.core import STOP_S
from instruments.cores.dosing import Activity, Door, DoseEnd, DosingHead
from instruments.readout import Quality
from line_device import wait_for
from sdl.core.errors import DeviceError, LinkError, ProtocolError

PREPARED = ["QRA 60 2 4", "QRD 1 1 5 300.0", "QRD 1 1 6 2"]


@pytest.fixture
def unit() -> DosingUnit:
    return DosingUnit()


@pytest.fixture
def head(unit: DosingUnit) -> Iterator[DosingHead]:
    with listening(unit) as endpoint:
        it = DosingHead("unit", endpoint, settle_s=0.05, deadline_s=0.3)
        yield it
        it.close()


def ended(head: DosingHead) -> DoseEnd:
    """The end of the dose, asked for with patience."""
    found: list[DoseEnd | None] = []

    def look() -> bool:
        with suppress(LinkError, ProtocolError):
            found.append(head.ended())
        return bool(found) and found[-1] is not None

    wait_for(look)
    assert found[-1] is not None
    return found[-1]


def test_prepares_then_starts_once(head: DosingHead, unit: DosingUnit) -> None:
    head.start(head.prepare(300.0, 2.0))
    assert unit.heard[-1] == "QRA 61 1"
    assert [line for line in unit.heard if line != "QRD 2 3 7"] == [*PREPARED, "QRA 61 1"]
    assert head.ended() is None
    assert head.activity() is Activity.BUSY
    unit.finish()
    assert ended(head) == DoseEnd()
    assert ended(head) == DoseEnd()
    assert unit.starts == 1
    assert head.link.connections == 1


def test_closes_an_open_door_first_and_waits_for_it(head: DosingHead, unit: DosingUnit) -> None:
    unit.door, unit.door_runs = "3", 3
    head.prepare(300.0, 2.0)
    assert unit.heard.index("QRA 60 7 2") < unit.heard.index("QRD 1 1 5 300.0")
    assert head.read("door").value == "closed"
    head.move_door(Door.OPEN)
    assert head.door() is Door.OPEN


@pytest.mark.parametrize("together", [True, False])
def test_moves_that_end_later(head: DosingHead, unit: DosingUnit, together: bool) -> None:
    unit.door, unit.begins_late = "3", together
    if not together:
        # Only begun, and then the end of it by itself, at the next look.
        unit.says["QRA 60 2 4"] = [b"QRA 60 2 B\r\nQRA 60 2 A\r\n"]
    head.prepare(300.0, 2.0)
    assert unit.heard[-1] == "QRD 1 1 6 2"


def test_a_door_that_does_not_close(
    head: DosingHead, unit: DosingUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOVE_S", 0.05)
    unit.door = "3"
    unit.says["QRA 60 7 2"] = [golden.DOOR_MOVED]
    with pytest.raises(DeviceError, match=r"front door is not closed.*open"):
        head.prepare(300.0, 2.0)
    unit.door, unit.door_runs = "2", 10_000
    with pytest.raises(DeviceError, match=r"got running"):
        head.prepare(300.0, 2.0)
    unit.door_runs, unit.door = 0, "8"
    unit.says["QRA 60 7 2"] = [golden.DOOR_MOVED]
    with pytest.raises(DeviceError, match="got undetectable"):
        head.prepare(300.0, 2.0)
    assert not any(line.startswith("QRD 1 1") for line in unit.heard)


def test_a_move_whose_end_never_comes(
    head: DosingHead, unit: DosingUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOVE_S", 0.05)
    unit.says["QRA 60 2 4"] = [b"QRA 60 2 B\r\n"]
    with pytest.raises(LinkError, match="does not end QRA 60 2 4"):
        head.prepare(300.0, 2.0)


@pytest.mark.parametrize(("mass_mg", "pct"), [(0.05, 2.0), (250_001.0, 2.0), (5.0, 0.05)])
def test_out_of_range_is_refused_before_anything_is_sent(
    head: DosingHead, unit: DosingUnit, mass_mg: float, pct: float
) -> None:
    with pytest.raises(DeviceError, match="nothing was sent"):
        head.prepare(mass_mg, pct)
    assert unit.heard == []


@pytest.mark.parametrize(
    "answer",
    [golden.TARGET_REFUSED, b"QRD 1 1 5 I 5\r\n", b"QRD 1 1 5 I\r\n", golden.TOLERANCE_TAKEN],
)
def test_never_doses_with_an_old_target(head: DosingHead, unit: DosingUnit, answer: bytes) -> None:
    unit.says["QRD 1 1 5 300.0"] = [answer]
    with pytest.raises(DeviceError):
        head.prepare(300.0, 2.0)
    assert unit.starts == 0


@pytest.mark.parametrize("code", range(1, 14))
def test_every_code_at_the_start_ends_the_dose_with_its_words(
    head: DosingHead, unit: DosingUnit, code: int
) -> None:
    unit.says["QRA 61 1"] = [b"QRA 61 1 I %d\r\n" % code]
    head.start(head.prepare(300.0, 2.0))
    assert head.ended() == DoseEnd(module.wire.CODES[code])
    assert unit.starts == 1


@pytest.mark.parametrize(
    ("end", "code"), [(golden.NO_FLOW, 7), (b"QRA 61 1 I 11\r\n", 11), (golden.SAMPLER_BLOCKED, 13)]
)
def test_a_code_at_the_end(head: DosingHead, unit: DosingUnit, end: bytes, code: int) -> None:
    head.start(head.prepare(300.0, 2.0))
    unit.finish(0.4, end)
    assert ended(head) == DoseEnd(module.wire.CODES[code])


def test_a_dose_that_is_done_at_once(head: DosingHead, unit: DosingUnit) -> None:
    unit.says["QRA 61 1"] = [golden.DOSED]
    head.start(head.prepare(300.0, 2.0))
    assert head.ended() == DoseEnd()


def test_the_line_stays_free_while_it_doses(head: DosingHead, unit: DosingUnit) -> None:
    head.start(head.prepare(300.0, 2.0))
    for _ in range(5):
        assert head.read("stable").value == "not executable"
        assert head.read("door").quality is Quality.MISSING
        assert head.ended() is None
    unit.finish()
    assert head.gross_mg() == 12_300.0
    assert ended(head) == DoseEnd()
    assert head.link.connections == 1


def test_an_end_after_the_connection_broke_is_seen_at_the_unit(
    head: DosingHead, unit: DosingUnit
) -> None:
    head.start(head.prepare(300.0, 2.0))
    unit.cut()
    wait_for(lambda: head.ended() is None and not head.link.awaits)
    assert head.activity() is Activity.BUSY
    unit.finish()
    assert ended(head) == DoseEnd()
    assert unit.starts == 1


@pytest.mark.parametrize("damaged", [b"QRA 61 1 \xc1\r\n", b"QRA 61 1 A\r\xa3", b"\x00\r\n"])
def test_an_end_whose_line_was_damaged_is_seen_at_the_unit(
    head: DosingHead, unit: DosingUnit, damaged: bytes
) -> None:
    head.start(head.prepare(300.0, 2.0))
    unit.finish(end=damaged)
    assert ended(head) == DoseEnd()
    assert unit.starts == 1


def test_an_end_whose_line_went_astray_is_seen_later(
    head: DosingHead, unit: DosingUnit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LINE_S", 0.05)
    unit.loses_end = True
    head.start(head.prepare(300.0, 2.0))
    assert head.ended() is None
    unit.finish()
    assert head.ended() is None  # the line may still come
    assert ended(head) == DoseEnd()


def test_a_new_process_sees_what_the_unit_does(head: DosingHead, unit: DosingUnit) -> None:
    unit.dosing = True
    assert head.is_busy()
    assert head.ended() is None
    unit.dosing = False
    assert not head.is_busy()
    unit.says["SI"] = [golden.DYNAMIC]
    assert head.activity() is Activity.UNSETTLED
    unit.says["QRA 60 2 4"] = [b"QRA 60 2 I 2\r\n"]
    assert head.activity() is Activity.BUSY


def test_no_answer_is_no_end(head: DosingHead, unit: DosingUnit) -> None:
    head.start(head.prepare(300.0, 2.0))
    unit.frozen = True
    with pytest.raises(LinkError):
        head.ended()
    unit.frozen = False
    unit.finish()
    assert ended(head) == DoseEnd()


def test_a_damaged_answer_to_the_start_is_not_taken_for_either(
    head: DosingHead, unit: DosingUnit
) -> None:
    token = head.prepare(300.0, 2.0)
    unit.says["QRA 61 1"] = [b"QRA 61 1 \xc2\r\n"]
    with pytest.raises(ProtocolError):
        head.start(token)
    assert unit.starts == 1


def test_stop_ends_the_dose_and_cancels(head: DosingHead, unit: DosingUnit) -> None:
    head.start(head.prepare(300.0, 2.0))
    head.stop()
    assert unit.heard[-2:] == ["QRA 61 4", "@"]
    unit.finish(0.3, golden.STOPPED)
    assert "stopped from outside" in ended(head).fault


def test_stop_keeps_a_prepared_dose_from_starting(head: DosingHead, unit: DosingUnit) -> None:
    token = head.prepare(300.0, 2.0)
    head.stop()
    with pytest.raises(DeviceError, match="stopped before the dose began"):
        head.start(token)
    assert unit.starts == 0


def test_stop_is_bounded_with_a_frozen_unit(unit: DosingUnit) -> None:
    with listening(unit) as endpoint:
        head = DosingHead("unit", endpoint)
        head.look()
        unit.frozen = True
        begin_s = time.monotonic()
        with pytest.raises(LinkError):
            head.stop()
        assert time.monotonic() - begin_s < STOP_S
        head.close()


def test_every_channel_can_be_read(head: DosingHead) -> None:
    assert all(head.read(channel.name).ok for channel in head.channels)
    assert [c.name for c in head.channels] == ["mass_mg", "stable", "door"]
