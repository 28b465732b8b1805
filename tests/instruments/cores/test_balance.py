"""A balance against a scripted one: fault 14, limits in time, identity."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dosing_unit import DosingUnit, listening
from golden import mt_sics as golden
from instruments.cores.balance import Balance, UnsettledError
from instruments.cores.core import STOP_S, Identity
from instruments.readout import Quality
from sdl.core.errors import DeviceError, LinkError


@pytest.fixture
def unit() -> DosingUnit:
    return DosingUnit()


@pytest.fixture
def balance(unit: DosingUnit) -> Iterator[Balance]:
    with listening(unit) as endpoint:
        it = Balance("scale", endpoint, settle_s=0.05, deadline_s=0.3)
        yield it
        it.close()


def test_says_what_it_is(balance: Balance) -> None:
    assert balance.identify() == Identity("XPE206 220.00000 g", "SIM0000001")


def test_weighs_with_sign_and_decimals(balance: Balance, unit: DosingUnit) -> None:
    unit.gross_mg = -12.35
    assert balance.gross_mg() == -12.35
    readout = balance.read("mass_mg")
    assert (readout.value, readout.unit, readout.quality) == (-12.35, "mg", Quality.GOOD)
    assert balance.read("stable").value == "stable"


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (golden.DYNAMIC, "dynamic"),
        (golden.NOT_EXECUTABLE, "not executable"),
        (golden.OVERLOAD, "overload"),
        (golden.UNDERLOAD, "underload"),
    ],
)
def test_what_is_not_stable_is_no_number(
    balance: Balance, unit: DosingUnit, answer: bytes, state: str
) -> None:
    unit.says["SI"] = [answer] * 2
    readout = balance.read("mass_mg")
    assert (readout.value, readout.quality) == (None, Quality.MISSING)
    assert state in readout.reason
    assert balance.read("stable").value == state


def test_errors_of_the_balance_are_no_number(balance: Balance, unit: DosingUnit) -> None:
    unit.says["SI"] = [golden.BROKEN]
    assert balance.read("mass_mg").quality is Quality.MISSING
    unit.says["SI"] = [b"S S nan g\r\n"] * 2
    assert balance.read("mass_mg").quality is Quality.IMPLAUSIBLE
    unit.frozen = True
    assert balance.read("mass_mg").quality is Quality.UNREACHABLE


def test_waits_until_the_pan_is_at_rest(balance: Balance, unit: DosingUnit) -> None:
    unit.says["SI"] = [golden.DYNAMIC, golden.NOT_EXECUTABLE, golden.DYNAMIC]
    assert balance.gross_mg() == 12_000.0


def test_a_flipped_digit_is_not_believed(balance: Balance, unit: DosingUnit) -> None:
    unit.says["SI"] = [b"S S   72.00000 g\r\n"]
    assert balance.gross_mg() == 12_000.0
    unit.says["SI"] = [b"S S   12.00000 g\r\n", b"S S   12.40000 g\r\n"]
    assert balance.gross_mg() == 12_000.0


def test_a_damaged_answer_is_asked_for_again(balance: Balance, unit: DosingUnit) -> None:
    unit.says["SI"] = [b"S S \xff\xff\r\n", golden.TRANSMISSION]
    with pytest.raises(DeviceError, match="ET"):
        balance.look()
    unit.says["SI"] = [b"S S \xff\xff\r\n"]
    assert balance.gross_mg() == 12_000.0


@pytest.mark.parametrize("answer", [golden.OVERLOAD, golden.UNDERLOAD])
def test_overload_and_underload_fail_at_once(
    balance: Balance, unit: DosingUnit, answer: bytes
) -> None:
    unit.says["SI"] = [answer]
    with pytest.raises(DeviceError, match="look at the pan"):
        balance.gross_mg()
    assert unit.heard == ["SI"]


def test_a_loaded_pan_is_tried_twice_and_never_zeroed(balance: Balance, unit: DosingUnit) -> None:
    unit.drift_mg = 2.0
    begin_s = time.monotonic()
    with pytest.raises(UnsettledError, match="draughts"):
        balance.gross_mg()
    assert 0.1 <= time.monotonic() - begin_s < 2.0
    assert set(unit.heard) == {"SI"}


def test_an_empty_pan_that_does_not_settle_is_zeroed_once(
    balance: Balance, unit: DosingUnit
) -> None:
    unit.gross_mg, unit.drift_mg = 3.0, 2.0
    with pytest.raises(UnsettledError):
        balance.gross_mg(empty=True)
    assert unit.heard.count("Z") == 1


def test_an_empty_pan_that_drifted_is_zeroed_once(balance: Balance, unit: DosingUnit) -> None:
    unit.gross_mg = -4.0
    assert balance.gross_mg(empty=True) == 0.0
    assert unit.heard.count("Z") == 1
    assert balance.gross_mg(empty=True) == 0.0
    assert unit.heard.count("Z") == 1


def test_an_empty_pan_that_zeroing_does_not_help(balance: Balance, unit: DosingUnit) -> None:
    unit.gross_mg, unit.says["Z"] = 7.0, [golden.ZEROED]
    with pytest.raises(DeviceError, match="after zeroing"):
        balance.gross_mg(empty=True)
    unit.says["Z"] = [b"Z I\r\n"]
    with pytest.raises(DeviceError, match="was not zeroed"):
        balance.gross_mg(empty=True)


def test_stop_cancels(balance: Balance, unit: DosingUnit) -> None:
    balance.stop()
    assert unit.heard == ["@"]


def test_stop_is_bounded_with_a_frozen_balance(balance: Balance, unit: DosingUnit) -> None:
    unit.frozen = True
    begin_s = time.monotonic()
    with pytest.raises(LinkError):
        balance.stop()
    assert time.monotonic() - begin_s < STOP_S
