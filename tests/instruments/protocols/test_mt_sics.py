"""Lines of balances and dosing units: golden ones, faults, and whatever else may come."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden import mt_sics as golden
from instruments.protocols import mt_sics as wire
from instruments.protocols.mt_sics import Reply, Weight, WeightState
from sdl.core.errors import DeviceError, ProtocolError

QUANTOS = (wire.OPEN_DOOR, wire.LOCK_PIN, wire.START, wire.ASK_DOOR, golden.TARGET_300)


def test_commands_are_the_golden_ones() -> None:
    assert wire.OPEN_DOOR == golden.OPEN_DOOR
    assert wire.CLOSE_DOOR == golden.CLOSE_DOOR
    assert wire.ASK_DOOR == golden.ASK_DOOR
    assert wire.LOCK_PIN == golden.LOCK_PIN
    assert wire.UNLOCK_PIN == b"QRA 60 2 3\r\n"
    assert wire.START == golden.START
    assert wire.target(300.0) == golden.TARGET_300
    assert wire.tolerance(2.0) == golden.TOLERANCE_2


@pytest.mark.parametrize(
    ("mass_mg", "sent"),
    [(812.3, b"812.3"), (0.1, b"0.1"), (250_000.0, b"250000.0"), (12.3456, b"12.346")],
)
def test_targets_keep_their_decimals(mass_mg: float, sent: bytes) -> None:
    assert wire.target(mass_mg) == b"QRD 1 1 5 " + sent + b"\r\n"


@pytest.mark.parametrize("bad", [0.09, 250_001.0, -1.0, math.nan, math.inf, 0.0])
def test_targets_outside_the_limits_are_not_encoded(bad: float) -> None:
    with pytest.raises(ValueError, match=r"0\.1 to 250000"):
        wire.target(bad)


@pytest.mark.parametrize("bad", [0.09, 40.1, math.nan, -2.0])
def test_tolerances_outside_the_limits_are_not_encoded(bad: float) -> None:
    with pytest.raises(ValueError, match=r"0\.1 to 40"):
        wire.tolerance(bad)


@pytest.mark.parametrize(
    ("answer", "mass_mg"),
    [
        (golden.MANUAL_STABLE, 100_000.0),
        (golden.STABLE, 12_345.67),
        (golden.NEGATIVE, -12.5),
        (b"S S        -0.1 mg\r\n", -0.1),
        (b"S S      1.2345 kg\r\n", 1_234_500.0),
    ],
)
def test_a_stable_weight_keeps_sign_and_decimals(answer: bytes, mass_mg: float) -> None:
    assert wire.read_weight(answer, "scale") == Weight(WeightState.STABLE, mass_mg)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (golden.DYNAMIC, WeightState.DYNAMIC),
        (golden.NOT_EXECUTABLE, WeightState.BUSY),
        (golden.OVERLOAD, WeightState.OVERLOAD),
        (golden.UNDERLOAD, WeightState.UNDERLOAD),
    ],
)
def test_nothing_but_a_stable_weight_is_a_number(answer: bytes, state: WeightState) -> None:
    assert wire.read_weight(answer, "scale") == Weight(state, None)


@pytest.mark.parametrize(
    "answer",
    [
        b"S S        nan g\r\n",
        b"S S        inf g\r\n",
        b"S S     1.0e10 g\r\n",
        b"S S     9.9E37 g\r\n",
        b"S S    100,000 g\r\n",
        b"S S     100.00 oz\r\n",
        b"S S     100.00\r\n",
        b"S S     100.00 g",
        b"S S     100.00 g\n",
        b"S S     100.00 g extra\r\n",
        b"S S   1 00.00 g\r\n",
        b"S S     100.00 g\r\nS S     100.00 g\r\n",
        b"T S     100.00 g\r\n",
        b"S L\r\n",
        b"S S     \xb2\xb3.00 g\r\n",
        b"",
        b"\r\n",
        golden.SERIAL,
        golden.TARED,
    ],
)
def test_what_is_no_weight_is_refused_with_its_bytes(answer: bytes) -> None:
    with pytest.raises(ProtocolError) as caught:
        wire.read_weight(answer, "scale")
    assert caught.value.where == "scale"
    assert repr(answer[:80]) in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (golden.BROKEN, "weighing bridge.*EEPROM"),
        (b"S S Error 1t\r\n", "terminal.*boot"),
        (b"S S     Error 3b\r\n", "checksum"),
        (b"S S Error 9b\r\n", "option"),
        (b"S S Error 42b\r\n", "see its manual"),
    ],
)
def test_errors_in_the_weight_field(answer: bytes, words: str) -> None:
    with pytest.raises(DeviceError, match=words) as caught:
        wire.read_weight(answer, "scale")
    assert not isinstance(caught.value, ProtocolError)


@pytest.mark.parametrize(
    ("answer", "word"),
    [(golden.SYNTAX, "ES"), (golden.TRANSMISSION, "ET"), (b"EL\r\n", "EL")],
)
def test_errors_that_answer_any_command(answer: bytes, word: str) -> None:
    for read in (
        lambda: wire.read_weight(answer, "scale"),
        lambda: wire.read_zeroed(answer, "scale"),
        lambda: wire.read_text(answer, wire.SERIAL, "scale"),
        lambda: wire.read_reply(answer, wire.START, "scale"),
    ):
        with pytest.raises(ProtocolError, match=word):
            read()


def test_identity_and_the_answer_to_a_cancellation() -> None:
    assert wire.read_text(golden.SERIAL, wire.SERIAL, "scale") == "SIM0000001"
    assert wire.read_text(golden.SERIAL, wire.CANCEL, "scale") == "SIM0000001"
    several = b'I2 B "XPE206"\r\nI2 A 1 "220.00000 g"\r\n'
    assert wire.read_text(several, wire.MODEL, "scale") == "XPE206 220.00000 g"


@pytest.mark.parametrize(
    "answer",
    [
        golden.SERIAL.replace(b"I4", b"I3"),
        golden.SERIAL.replace(b" A ", b" B "),
        golden.SERIAL.replace(b'"\r', b"\r"),
        golden.SERIAL + golden.SERIAL,
        golden.STABLE,
        b"\r\n",
    ],
)
def test_other_texts_are_refused(answer: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.read_text(answer, wire.SERIAL, "scale")


def test_a_device_that_cannot_say_its_name_now() -> None:
    with pytest.raises(DeviceError, match="cannot answer I4 now"):
        wire.read_text(b"I4 I\r\n", wire.SERIAL, "scale")


def test_zeroing() -> None:
    wire.read_zeroed(golden.ZEROED, "scale")
    for refused in (b"Z I\r\n", b"Z +\r\n", b"Z -\r\n"):
        with pytest.raises(DeviceError, match="was not zeroed"):
            wire.read_zeroed(refused, "scale")
    with pytest.raises(ProtocolError):
        wire.read_zeroed(b"Z B\r\n", "scale")


def test_lines_that_say_more_follows() -> None:
    assert wire.block(b'I0 B 0 "I0"\r\nI0 B 0 "I1"\r\nI0 A 1 "S"\r\n') == 38
    assert wire.block(b'I0 B 0 "I0"\r\nI0 B 0') is None
    assert wire.block(golden.SERIAL) == len(golden.SERIAL)
    assert wire.block(golden.SYNTAX) == 4
    with pytest.raises(ValueError, match="65536"):
        wire.block(b'I0 B 0 "I0"\r\n' * 6000)


def test_every_code_has_its_own_words() -> None:
    seen = {
        code: wire.read_reply(b"QRA 61 1 I %d\r\n" % code, wire.START, "unit")
        for code in range(1, 14)
    }
    assert [reply.code for reply in seen.values()] == list(range(1, 14))
    assert len({reply.reason for reply in seen.values()}) == 13
    assert "flow" in seen[7].reason
    assert "sampler" in seen[13].reason


@pytest.mark.parametrize(
    ("answer", "command", "reply"),
    [
        (golden.STARTED, wire.START, Reply("B")),
        (golden.DOSED, wire.START, Reply("A")),
        (golden.SAMPLER_BLOCKED, wire.START, Reply("I", 13)),
        (golden.NOT_MOUNTED, wire.START, Reply("I", 1)),
        (b"QRA 61 1 I\r\n", wire.START, Reply("I")),
        (golden.DOOR_MOVED, wire.CLOSE_DOOR, Reply("A")),
        (golden.PIN_MOVED, wire.LOCK_PIN, Reply("A")),
        (golden.TARGET_TAKEN, golden.TARGET_300, Reply("A")),
        (golden.TARGET_REFUSED, golden.TARGET_300, Reply("L")),
        (golden.TOLERANCE_TAKEN, golden.TOLERANCE_2, Reply("A")),
        (golden.DOOR_CLOSED, wire.ASK_DOOR, Reply("A", value="2")),
        (golden.DOOR_OPEN, wire.ASK_DOOR, Reply("A", value="3")),
        (b"QRD 2 3 7 I 2\r\n", wire.ASK_DOOR, Reply("I", 2)),
    ],
)
def test_replies(answer: bytes, command: bytes, reply: Reply) -> None:
    assert wire.read_reply(answer, command, "unit") == reply


@pytest.mark.parametrize(
    ("answer", "command"),
    [
        (golden.TARGET_TAKEN, golden.TOLERANCE_2),
        (golden.DOOR_MOVED, wire.LOCK_PIN),
        (b"QRD 1 1 5 300.0 A\r\n", golden.TARGET_300),
        (b"QRD 1 1 5 A A\r\n", golden.TARGET_300),
        (b"QRD 1 1 50 A\r\n", golden.TARGET_300),
        (b"QRA 61 1\r\n", wire.START),
        (b"QRA 61 1 \r\n", wire.START),
        (b"QRA 61 1 A 1\r\n", wire.START),
        (b"QRA 61 1 I 007\r\n", wire.START),
        (b"QRA 61 1 I 1 3\r\n", wire.START),
        (b"QRD 2 3 7 A\r\n", wire.ASK_DOOR),
        (b"QRD 2 3 7 B\r\n", wire.ASK_DOOR),
        (golden.STABLE, wire.START),
    ],
)
def test_replies_to_something_else_are_refused(answer: bytes, command: bytes) -> None:
    with pytest.raises(ProtocolError):
        wire.read_reply(answer, command, "unit")


@pytest.mark.parametrize("code", [14, 21, 99])
def test_a_code_that_is_not_known_is_no_other_code(code: int) -> None:
    reply = wire.read_reply(b"QRA 61 1 I %d\r\n" % code, wire.START, "unit")
    assert reply == Reply("I", code)
    assert f"code {code}, which is not known" in reply.reason


def test_only_begun_announces_an_end() -> None:
    announced = wire.announced(wire.START)
    assert announced.by(golden.STARTED)
    assert not any(announced.by(a) for a in (golden.DOSED, golden.BUSY, golden.DOOR_MOVED))
    assert announced.line(golden.DOSED)
    assert announced.line(golden.NO_FLOW)
    damaged = b"QRA 61 1 A\r\xa3QRD 2 3 7 2 A\r\n"
    others = (golden.STARTED, golden.DOOR_MOVED, golden.STABLE, damaged, b"QRA 61 1 I x\r\n")
    assert not any(announced.line(a) for a in others)


# -- whatever may come -----------------------------------------------------------------------------

MANY = settings(max_examples=200)
FRAMES = st.sampled_from(
    [getattr(golden, name) for name in dir(golden) if name.isupper()] + [b"S S    0.00010 kg\r\n"]
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A golden line with some bytes changed, taken away or put in."""
    frame = bytearray(draw(FRAMES))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(frame)))
        put = draw(st.binary(max_size=2))
        frame[at : at + draw(st.integers(0, 2))] = put
    return bytes(frame)


ANSWERS = st.one_of(st.binary(max_size=80), mutated(), FRAMES)


@MANY
@given(ANSWERS)
def test_a_weight_is_what_the_line_says_or_an_error(answer: bytes) -> None:
    try:
        weight = wire.read_weight(answer, "scale")
    except DeviceError:
        return
    words = answer.split()
    assert answer.endswith(b"\r\n")
    assert words[0] == b"S"
    if weight.mass_mg is None:
        assert weight.state is not WeightState.STABLE
        return
    assert (len(words), words[1]) == (4, b"S")
    scale = {b"mg": 1.0, b"g": 1e3, b"kg": 1e6}[words[3]]
    assert math.isclose(weight.mass_mg, float(words[2]) * scale, abs_tol=1e-9)
    assert math.isfinite(weight.mass_mg)


@MANY
@given(ANSWERS, st.sampled_from(QUANTOS))
def test_a_reply_is_what_the_line_says_or_an_error(answer: bytes, command: bytes) -> None:
    try:
        reply = wire.read_reply(answer, command, "unit")
    except DeviceError:
        return
    said = [reply.value, reply.status, "" if reply.code is None else str(reply.code)]
    words = [wire.repeated(command), *(word for word in said if word)]
    assert answer == (" ".join(words) + "\r\n").encode()
    assert reply.code is None or 1 <= reply.code <= 99


@MANY
@given(ANSWERS, st.sampled_from([wire.SERIAL, wire.MODEL, wire.CANCEL]))
def test_texts_and_zeroing_raise_documented_errors_only(answer: bytes, command: bytes) -> None:
    with suppress(DeviceError):
        text = wire.read_text(answer, command, "scale")
        assert text.isascii()
        assert text.isprintable()
    try:
        wire.read_zeroed(answer, "scale")
    except DeviceError:
        return
    assert answer == golden.ZEROED


@MANY
@given(st.binary(max_size=400))
def test_frames_are_whole_lines(received: bytes) -> None:
    for framer in (wire.line, wire.block):
        try:
            length = framer(received)
        except ValueError:
            assert len(received) > 256
            continue
        assert length is None or received[:length].endswith(b"\r\n")


@MANY
@given(st.floats(min_value=0.1, max_value=250_000.0))
def test_targets_say_the_mass_to_a_microgram(mass_mg: float) -> None:
    said = float(wire.target(mass_mg).split()[-1])
    assert math.isclose(said, mass_mg, abs_tol=0.000_51)
