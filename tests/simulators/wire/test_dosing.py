"""The simulated dosing unit answers as MT-SICS and Quantos do, and doses into the world's vial."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golden import mt_sics as golden
from simulators.wire.mt_sics import weight_line
from wire_room import Room, Wire, room, wait_for

ZERO = "tcp://127.0.0.1:0"
HEADS = {"BaCO3-coarse": ZERO, "TiO2-rutile-fine": ZERO}


@pytest.fixture
def unit() -> Iterator[Room]:
    with room("dispenser", "mt-sics-dosing", {"heads": HEADS, "tolerance_pct": 2}) as made:
        made.wait(10.0)
        yield made


@pytest.fixture
def head(unit: Room) -> Iterator[Wire]:
    with Wire(unit.simulator.settings["heads"]["BaCO3-coarse"]) as wire:
        yield wire


def grams(line: bytes) -> float:
    match = re.fullmatch(rb"S [SD] ([ \d.\-]{10}) g\r\n", line)
    assert match is not None, line
    return float(match[1])


def test_golden_weight_lines() -> None:
    assert weight_line("S", "S", 12_345.67).encode() + b"\r\n" == golden.STABLE
    assert weight_line("S", "D", 12_345.67).encode() + b"\r\n" == golden.DYNAMIC
    assert weight_line("S", "S", -12.5).encode() + b"\r\n" == golden.NEGATIVE
    assert len(golden.STABLE) == len(b"S S     100.00 g\r\n")
    assert weight_line("S", "S", -0.004) == "S S    0.00000 g"


def test_identity(head: Wire) -> None:
    assert head.ask(b"I4\r\n") == golden.SERIAL
    assert head.ask(b"@\r\n") == golden.SERIAL
    assert head.ask(b"I2\r\n").startswith(b'I2 A "')
    assert head.ask(b"I3\r\n").startswith(b'I3 A "')
    assert head.ask(b"I1\r\n").startswith(b'I1 A "')
    lines = [head.ask(b"I0\r\n")]
    while lines[-1].startswith(b"I0 B"):
        lines.append(head.line())
    assert lines[0] == b'I0 B 0 "I0"\r\n'
    assert lines[-1].startswith(b"I0 A")


def test_what_is_not_understood(head: Wire) -> None:
    assert head.ask(b"ZC\r\n") == golden.SYNTAX
    assert head.ask(b"si\r\n") == golden.SYNTAX
    assert head.ask(b"S\xb5\r\n") == golden.TRANSMISSION
    assert head.ask(b"S 5\r\n") == b"S L\r\n"
    assert head.ask(b"QRA 99 1\r\n") == golden.SYNTAX
    assert head.ask(b"QRA 60 7 4\r\n") == b"QRA 60 7 L\r\n"


def test_empty_pan_then_a_vial(unit: Room, head: Wire) -> None:
    assert grams(head.ask(b"S\r\n")) == pytest.approx(0.0, abs=1e-3)
    unit.bring("S1", "dispenser")
    assert head.ask(b"SI\r\n").startswith(b"S D ")
    unit.wait(2.0)
    line = head.ask(b"SI\r\n")
    assert line.startswith(b"S S ")
    assert grams(line) * 1000.0 == pytest.approx(unit.plant.tare_mg("S1"), abs=1.0)


def test_stable_weight_waits_for_rest(unit: Room, head: Wire) -> None:
    unit.bring("S1", "dispenser")
    head.send(b"S\r\n")
    head.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        head.socket.recv(1)
    unit.wait(2.0)
    head.socket.settimeout(3.0)
    assert head.socket.recv(4) == b"S S "


def test_stable_weight_gives_up(unit: Room, head: Wire) -> None:
    unit.ask(unit.simulator.unstable)
    head.send(b"S\r\n")
    time.sleep(0.02)
    unit.wait(41.0)
    assert head.line() == golden.NOT_EXECUTABLE
    assert head.ask(b"SI\r\n").startswith(b"S D")


def test_cancel_drops_what_waits(unit: Room, head: Wire) -> None:
    unit.ask(unit.simulator.unstable)
    head.send(b"S\r\nI2\r\n")
    time.sleep(0.02)
    assert head.ask(b"@\r\n") == golden.SERIAL
    assert head.ask(b"I4\r\n") == golden.SERIAL


def test_repeat_until_cancelled(head: Wire) -> None:
    head.send(b"SIR\r\n")
    for _ in range(3):
        grams(head.line())
    head.send(b"@\r\n")
    while (line := head.line()) != golden.SERIAL:
        grams(line)
    assert head.ask(b"I4\r\n") == golden.SERIAL


def test_tare_zero_and_sign(unit: Room, head: Wire) -> None:
    assert head.ask(b"Z\r\n") == golden.ZEROED
    unit.bring("S1", "dispenser")
    unit.wait(5.0)
    assert head.ask(b"Z\r\n") == b"Z +\r\n"
    assert head.ask(b"T\r\n").startswith(b"T S   1")
    assert grams(head.ask(b"S\r\n")) == pytest.approx(0.0, abs=1e-3)
    assert head.ask(b"TAC\r\n") == b"TAC A\r\n"
    assert head.ask(b"TA 20 g\r\n") == b"TA A   20.00000 g\r\n"
    assert head.ask(b"TA heavy g\r\n") == b"TA L\r\n"
    assert grams(head.ask(b"SI\r\n")) < -6.0
    unit.ask(unit.simulator.negative)
    assert grams(head.ask(b"SI\r\n")) == pytest.approx(-0.0125, abs=1e-3)


def test_faults_of_the_balance(unit: Room, head: Wire) -> None:
    unit.ask(unit.simulator.overload)
    assert head.ask(b"S\r\n") == golden.OVERLOAD
    unit.ask(lambda: (unit.simulator.overload(False), unit.simulator.underload()))
    assert head.ask(b"SI\r\n") == golden.UNDERLOAD
    unit.ask(lambda: (unit.simulator.underload(False), unit.simulator.drift(250.0)))
    assert grams(head.ask(b"S\r\n")) == pytest.approx(0.25, abs=1e-3)
    assert head.ask(b"Z\r\n") == golden.ZEROED
    assert grams(head.ask(b"S\r\n")) == pytest.approx(0.0, abs=1e-3)


def test_dose(unit: Room, head: Wire) -> None:
    unit.bring("S1", "dispenser")
    unit.wait(5.0)
    before_g = grams(head.ask(b"S\r\n"))
    assert head.ask(golden.LOCK_PIN) == golden.PIN_MOVED
    assert head.ask(golden.TARGET_300) == golden.TARGET_TAKEN
    assert head.ask(golden.TOLERANCE_2) == golden.TOLERANCE_TAKEN
    assert head.ask(golden.START) == golden.STARTED
    unit.wait(30.0)
    falling = head.ask(b"SI\r\n")
    assert falling.startswith(b"S D")
    assert before_g < grams(falling) < before_g + 0.3
    assert head.ask(golden.START) == golden.BUSY
    assert head.ask(golden.OPEN_DOOR) == b"QRA 60 7 I 2\r\n"
    unit.wait(100.0)
    assert head.line() == golden.DOSED
    after_g = grams(head.ask(b"S\r\n"))
    assert after_g - before_g == pytest.approx(0.3, rel=0.02)
    assert [a.args["lot"] for a in unit.world.acts() if a.station == "dispenser"] == [
        "BaCO3-coarse"
    ]


def test_one_pan_under_all_heads(unit: Room, head: Wire) -> None:
    unit.bring("S1", "dispenser")
    unit.wait(5.0)
    head.ask(golden.TARGET_300)
    with Wire(unit.simulator.settings["heads"]["TiO2-rutile-fine"]) as other:
        assert other.ask(golden.START) == b"QRA 61 1 I 4\r\n"
        other.ask(golden.TARGET_300)
        assert head.ask(golden.START) == golden.STARTED
        assert other.ask(golden.START) == golden.BUSY
        unit.wait(200.0)
        assert head.line() == golden.DOSED
        assert other.ask(golden.START) == golden.STARTED
        unit.wait(200.0)
        assert other.line() == golden.DOSED


def test_a_refused_target_leaves_the_old_one(unit: Room, head: Wire) -> None:
    unit.bring("S1", "dispenser")
    head.ask(golden.TARGET_300)
    assert head.ask(golden.TARGET_TOO_LARGE) == golden.TARGET_REFUSED
    for bad in (b"0.05", b"nan", b"inf", b"-1", b"1e2", b"1_0", b"x", b""):
        assert head.ask(b"QRD 1 1 5 " + bad + b"\r\n") == golden.TARGET_REFUSED
    assert head.ask(b"QRD 1 1 6 41\r\n") == golden.TOLERANCE_REFUSED
    head.ask(golden.START)
    assert unit.world.acts()[-1].args["mass_mg"] == 300.0


def test_why_a_dose_does_not_start(unit: Room, head: Wire) -> None:
    head.ask(golden.TARGET_300)
    assert head.ask(golden.START) == golden.NOT_MOUNTED
    unit.bring("S1", "dispenser")
    assert head.ask(golden.OPEN_DOOR) == golden.DOOR_MOVED
    assert head.ask(golden.ASK_DOOR) == golden.DOOR_OPEN
    assert head.ask(golden.START) == golden.NOT_ALLOWED
    assert head.ask(golden.CLOSE_DOOR) == golden.DOOR_MOVED
    assert head.ask(golden.ASK_DOOR) == golden.DOOR_CLOSED
    assert head.ask(b"QRA 60 2 3\r\n") == golden.PIN_MOVED
    assert head.ask(golden.START) == golden.NOT_MOUNTED
    head.ask(golden.LOCK_PIN)
    unit.ask(unit.simulator.unstable)
    assert head.ask(golden.START) == b"QRA 61 1 I 6\r\n"
    assert not [a for a in unit.world.acts() if a.station == "dispenser"]


@pytest.mark.parametrize("stop", [b"QRA 61 4\r\n", b"@\r\n"])
def test_stopped_dose(unit: Room, head: Wire, stop: bytes) -> None:
    unit.bring("S1", "dispenser")
    head.ask(golden.TARGET_300)
    head.ask(golden.START)
    unit.wait(30.0)
    lines = {head.ask(stop), head.line()}
    assert golden.STOPPED in lines
    assert 0.0 < unit.ask(lambda: unit.world.weigh("dispenser")) < 290.0


def test_jam_and_power_cut(unit: Room, head: Wire) -> None:
    unit.bring("S1", "dispenser")
    head.ask(golden.TARGET_300)
    unit.ask(lambda: unit.world.plant_stop("dispenser", 0.5))
    head.ask(golden.START)
    unit.wait(200.0)
    assert head.line() == golden.NO_FLOW
    head.ask(golden.START)
    unit.wait(10.0)
    unit.ask(unit.simulator.reboot)
    assert head.line() == b""
    with Wire(unit.simulator.settings["heads"]["BaCO3-coarse"]) as again:
        unit.wait(1.0)
        assert again.ask(golden.START) == b"QRA 61 1 I 4\r\n"
    wait_for(lambda: unit.world.acts()[-1].note.startswith("stopped"))


def test_frozen_then_late(unit: Room, head: Wire) -> None:
    unit.bring("S1", "dispenser")
    head.ask(golden.TARGET_300)
    head.ask(golden.START)
    unit.ask(unit.simulator.freeze)
    unit.wait(200.0)
    head.send(b"I4\r\n")
    head.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        head.socket.recv(1)
    head.socket.settimeout(3.0)
    unit.ask(unit.simulator.thaw)
    said = b""
    while said.count(b"\r\n") < 2:
        said += head.socket.recv(100)
    assert golden.DOSED in said
    assert golden.SERIAL in said


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=40),
        st.lists(
            st.sampled_from(["QRA", "QRD", "60", "61", "1", "4", "7", "5", "S", "TA", "g", "-0.0"]),
            max_size=6,
        ).map(lambda words: " ".join(words).encode()),
    )
)
def test_no_line_breaks_the_unit(head: Wire, line: bytes) -> None:
    """Whatever comes, the next question is answered."""
    head.send(line.replace(b"\n", b"") + b"\r\n@\r\n")
    for _ in range(100):
        if (said := head.line()) == golden.SERIAL:
            break
        assert said.endswith(b"\r\n")
    else:
        pytest.fail("no answer to @")
