"""Golden frames of every protocol, and encoders of their own to compare parsed values with."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from instruments.protocols import aeris, channel_access, door, mt_sics, rtde, ur_dashboard
from instruments.protocols import eurotherm as registers
from instruments.protocols import eurotherm_program as programs
from instruments.protocols import modbus as modbus_tcp
from instruments.protocols import result_files as files
from instruments.protocols.mt_sics import WeightState
from instruments.protocols.requests import Ask, Request
from instruments.testing.fuzz import Case, WrongValueError
from instruments.transports.tcp import Framer
from sdl.core.command import Verb
from sdl.core.errors import ConfigError, DeviceError, ProtocolError

D = "fuzzed"
"""Name of the device in messages."""


def _same(said: bytes, frame: bytes) -> bool:
    """A value written again is the frame."""
    if said != frame:
        raise WrongValueError(f"the value says {said!r}")
    return True


def _holds(what: object, words: str) -> bool:
    if not what:
        raise WrongValueError(words)
    return True


def _framed(framer: Framer, judge: Callable[[bytes], bool]) -> Callable[[bytes], bool]:
    """The judge behind its framer, as a link does it: one whole frame, or nothing."""

    def both(received: bytes) -> bool:
        length = framer(received)
        _holds(length is None or 0 < length <= len(received), "a frame has a length")
        return length is not None and judge(received[:length])

    return both


# -- Modbus ----------------------------------------------------------------------------------------

_READ = modbus_tcp.read_registers(1, 2)
_WRITE = modbus_tcp.write_register(2, 600)
_CONTACTS = modbus_tcp.read_contacts(0, 10)


def _modbus_read(frame: bytes) -> bool:
    values = modbus_tcp.decode(frame, _READ, 1, 7, D)
    return _same(struct.pack(">HHHBBBHH", 7, 0, 7, 1, 3, 4, *values), frame)


def _modbus_write(frame: bytes) -> bool:
    values = modbus_tcp.decode(frame, _WRITE, 1, 7, D)
    _holds(values == [], "a write gives no values")
    return _same(struct.pack(">HHHBBHH", 7, 0, 6, 1, 6, 2, 600), frame)


def _modbus_contacts(frame: bytes) -> bool:
    values = modbus_tcp.decode(frame, _CONTACTS, 1, 7, D)
    word = sum(bit << place for place, bit in enumerate(values))
    # The six bits beyond the tenth mean nothing.
    said = int.from_bytes(frame[9:11], "little") & 0x3FF
    _holds(len(values) == 10 and word == said, "ten contacts as they are")
    return _same(struct.pack(">HHHBBB", 7, 0, 5, 1, 2, 2), frame[:9])


_MODBUS_READ = (
    bytes.fromhex("0007 0000 0007 01 03 04 00d6 ffff"),
    bytes.fromhex("0007 0000 0003 01 83 02"),
    bytes.fromhex("0008 0000 0007 01 03 04 00d6 ffff"),
)
_MODBUS_WRITE = (
    bytes.fromhex("0007 0000 0006 01 06 0002 0258"),
    bytes.fromhex("0007 0000 0003 01 86 03"),
)
_MODBUS_CONTACTS = (
    bytes.fromhex("0007 0000 0005 01 02 02 cd 01"),
    bytes.fromhex("0007 0000 0004 01 02 01 01"),
)

# -- Eurotherm -------------------------------------------------------------------------------------


def _cell(frame: bytes) -> bool:
    """A value to registers and back, from eight bytes."""
    value = struct.unpack(">d", frame[:8].ljust(8, b"\0"))[0]
    for regs in registers.MAPS.values():
        cell = registers.Cell("any", 2, value, 1)
        if not math.isfinite(value):
            continue
        try:
            _, words = registers.words(regs, cell)
        except (ValueError, OverflowError):
            continue
        got = registers.number(regs, 1, words)
        near = registers.is_held(regs, cell, got)
        far = registers.is_held(regs, cell, got + max(1.0, abs(got)))
        _holds(near and not far, f"{value!r} is held as {got!r}")
    return True


_ANNEAL = programs.FurnaceProgram(900.0, 2.0, 5.0, 1, "furnace", 77)


def _held(regs: registers.RegisterMap) -> dict[int, int]:
    """Registers of a controller that holds a program."""
    held = {a + k: 0 for a, count in programs.ranges(regs) for k in range(count)}
    unit = 1 if regs.times_by_format else None
    for cell in programs.cells(regs, _ANNEAL, 1, unit):
        at, words = registers.words(regs, cell)
        held.update({at + k: word for k, word in enumerate(words)})
    return held


def _bytes_of(held: Mapping[int, int]) -> bytes:
    return struct.pack(f">{len(held)}H", *(held[a] for a in sorted(held)))


_HELD = {name: _held(regs) for name, regs in registers.MAPS.items()}
_PROGRAM_BYTES = {name: _bytes_of(held) for name, held in _HELD.items()}


def _program(frame: bytes) -> bool:
    """A program in registers; the number of bytes tells which controller's."""
    for name, golden in _PROGRAM_BYTES.items():
        if len(frame) == len(golden):
            return _program_of(registers.MAPS[name], sorted(_HELD[name]), frame)
    return False


def _program_of(regs: registers.RegisterMap, addresses: Sequence[int], frame: bytes) -> bool:
    held = dict(zip(addresses, struct.unpack(f">{len(addresses)}H", frame), strict=True))
    found = programs.program_in(regs, 1, held)
    if found is None:
        return False
    at = regs.segment_at(1) + 1
    if regs.floats:
        target = struct.unpack(">f", frame_of(held, 0x8000 + 2 * at))[0]
    else:
        target = struct.unpack(">h", struct.pack(">H", held[at]))[0] / 10.0
    _holds(found.temperature_c == target, f"the target is {target}, not {found.temperature_c}")
    _holds(math.isfinite(found.dwell_h) and found.dwell_h > 0.0, f"a dwell of {found.dwell_h}")
    _holds(found.ramp_c_per_min > 0.0, f"a ramp of {found.ramp_c_per_min}")
    return _holds(found.event == held[regs.segment_at(1) + 4], "the events of segment 1")


def frame_of(held: Mapping[int, int], address: int) -> bytes:
    """Two registers as bytes."""
    return struct.pack(">HH", held[address], held[address + 1])


# -- MT-SICS ---------------------------------------------------------------------------------------


def _weight(frame: bytes) -> bool:
    weight = mt_sics.read_weight(frame, D)
    words = frame.decode("ascii").removesuffix("\r\n").split(" ")
    words = [word for word in words if word]
    _holds(frame.endswith(b"\r\n") and words[0] == "S", "a line of a weight")
    if weight.mass_mg is None:
        return _holds(weight.state is not WeightState.STABLE, "without a number it is not stable")
    _holds(words[1] == "S" and len(words) == 4, "only a stable weight has a number")
    scale = {"mg": 1, "g": 1000, "kg": 1_000_000}[words[3]]
    said = float(Decimal(words[2]) * scale)
    return _holds(weight.mass_mg == said and math.isfinite(said), f"it says {said} mg")


def _reply(command: bytes) -> Callable[[bytes], bool]:
    def judge(frame: bytes) -> bool:
        reply = mt_sics.read_reply(frame, command, D)
        code = "" if reply.code is None else str(reply.code)
        said = [mt_sics.repeated(command), reply.value, reply.status, code]
        return _same((" ".join(word for word in said if word) + "\r\n").encode(), frame)

    return judge


def _serial(frame: bytes) -> bool:
    text = mt_sics.read_text(frame, mt_sics.SERIAL, D)
    if frame.count(b"\r\n") > 1:
        return _holds(text.isprintable(), "a text of several lines")
    plain = re.fullmatch(rb'I4 A(?: \d{1,4})? "(.*)"\r\n', frame)
    return _holds(plain and plain[1].decode() == text, f"the text is {text!r}")


_WEIGHTS = (
    b"S S     100.00 g\r\n", b"S S   -0.01250 g\r\n", b"S S   12345.67 mg\r\n",
    b"S D   12.345 g\r\n", b"S I\r\n", b"S +\r\n", b"S -\r\n", b"S S Error 10b\r\n",
    b"ES\r\n", b"ET\r\n", b"EL\r\n",
)  # fmt: skip
_DOSES = (
    b"QRA 61 1 B\r\n", b"QRA 61 1 A\r\n", b"QRA 61 1 I 13\r\n", b"QRA 61 1 I\r\n",
    b"QRA 61 1 L\r\n",
)  # fmt: skip
_DOORS = (b"QRD 2 3 7 2 A\r\n", b"QRD 2 3 7 3 A\r\n", b"QRD 2 3 7 I 2\r\n")

# -- Aeris, door, dashboard ------------------------------------------------------------------------


def _aeris(frame: bytes) -> bool:
    value = aeris.word(frame, aeris.ask_ready(), "READY", D, ("yes", "no"))
    text = b"@" + frame.rstrip(b"\r\n")
    field = b"@READY=" + value.encode() + b"@"
    once = text.count(b"@READY=") == 1 and field in text
    return _holds(once and text.endswith(b"@END"), f"READY={value}, once")


def _door(frame: bytes) -> bool:
    status = door.read_status(frame, D)
    doors = (f"Furnace {n}: {'Open' if o else 'Closed'}" for n, o in status.is_open.items())
    said = ";".join((f"State: {status.state.value}", *doors)).encode()
    return _same(said, frame.removesuffix(b"\n").removesuffix(b"\r"))


def _mode(frame: bytes) -> bool:
    mode = ur_dashboard.robot_mode(frame, D)
    return _same(f"robotmode: {mode.value}".lower().encode(), frame.rstrip(b"\r\n").lower())


def _safety(frame: bytes) -> bool:
    status = ur_dashboard.safety_status(frame, D)
    return _same(f"safetystatus: {status.value}".lower().encode(), frame.rstrip(b"\r\n").lower())


def _state(frame: bytes) -> bool:
    state = ur_dashboard.program_state(frame, D)
    first = frame.rstrip(b"\r\n").partition(b" ")[0]
    return _same(state.value.encode(), first.upper())


def _runs(frame: bytes) -> bool:
    runs = ur_dashboard.is_running(frame, D)
    last = frame.rstrip(b"\r\n").rpartition(b": ")[2].lower()
    return _same(b"true" if runs else b"false", last)


_READY = (
    b"@STATUS@UNIT=xrd@READY=yes@END", b"@STATUS@UNIT=xrd@READY=no@END\r\n",
    b"@STATUS@UNIT=xrd@ERROR=fatal: lamp@END", b"@STATUS@SYSTEM=remote@END",
)  # fmt: skip
_STATUS = (
    b"State: STOP;Furnace A: Closed\n", b"State: RUNNING;Furnace A: Closed;Furnace B: Open\r\n",
    b"State: ERROR;Furnace A: Open\n",
)  # fmt: skip

# -- RTDE ------------------------------------------------------------------------------------------

_RECIPE = rtde.Recipe(1, ("a", "b", "c"))


def _packet(frame: bytes) -> bool:
    held = rtde.read_data(frame, _RECIPE, D)
    said = struct.pack(">HBB3i", 16, 85, 1, *held.values())
    # Who reads looks at the type first.
    return rtde.kind_of(frame) is not rtde.Kind.DATA or _same(said, frame)


def _recipe(frame: bytes) -> bool:
    made = rtde.read_recipe(frame, ("a", "b", "c"), D)
    return _same(bytes([made.number]) + b"INT32,INT32,INT32", frame[3:])


def _version(frame: bytes) -> bool:
    text = rtde.read_controller(frame, D)
    return _same(struct.pack(">4I", *map(int, text.split("."))), frame[3:])


# -- Channel Access --------------------------------------------------------------------------------


def _sample(frame: bytes) -> bool:
    parsed = channel_access.parse(frame)
    if parsed is None:
        return False
    message, rest = parsed
    _holds(frame.endswith(rest) and len(rest) < len(frame), "the rest is what follows")
    sample = channel_access.sample(message)
    whole = frame[: len(frame) - len(rest)]
    if isinstance(sample.value, str):
        text = message.payload[12:52].partition(b"\0")[0]
        return _same(sample.value.encode("latin-1"), text)
    if math.isnan(sample.value):
        return _holds(math.isnan(struct.unpack(">d", whole[-8:])[0]), "NaN stays NaN")
    return _same(struct.pack(">d", sample.value), whole[-8:])


_SAMPLES = (
    bytes.fromhex(
        "000f 0018 0014 0001 00000001 00000009 0000 0000 3b9aca00 1dcd6500 000000004074c00000000000"
    ),
    bytes.fromhex(
        "000f 0018 0014 0001 00000001 00000009 0001 0003 3b9aca00 00000000 000000007ff8000000000000"
    ),
    bytes.fromhex("000f 0038 000e 0001 00000001 00000009 0000 0000 3b9aca00 00000000")
    + b"RUNNING".ljust(44, b"\0"),
)

# -- files and answers -----------------------------------------------------------------------------


def _columns(data: bytes) -> bool:
    pattern = files.read_pattern(data, "x.xy")
    counts = pattern.counts
    _holds(len(counts) >= 2 and int(counts.min()) >= 0, "counts from 0 on")
    sound = 0.0 < pattern.start_deg < 180.0 and 0.0 < pattern.step_deg < 180.0
    _holds(sound, f"angles: {pattern.start_deg}, {pattern.step_deg}")
    # A separator may follow the last number of a row.
    last = re.split(rb"[\s,;]+", data.strip(b" ,;\t\r\n"))[-1]
    return _holds(abs(float(last) - int(counts[-1])) < 0.01, f"the last count is {counts[-1]}")


_REQUEST = Request(
    id="c1", station="s", verb=Verb.MEASURE, samples=("V1",), args={},
    asks=(Ask(name="mass_mg", unit="mg", low=0.0, high=5000.0, doc="powder"),),
)  # fmt: skip


def _answer(data: bytes) -> bool:
    answer = files.read_answer(data, "c1.json")
    said = json.loads(data)
    _holds(said.get("id", "") == answer.id, f"the id is {answer.id!r}")
    if answer.failed:
        return _holds(said["failed"] == answer.failed, "the reason as it is said")
    numbers = _REQUEST.check(answer.values)
    _holds(0.0 <= numbers["mass_mg"] <= 5000.0, f"within the limits: {numbers}")
    told = said.get("values", said).get("mass_mg", said.get("mass_mg"))
    same = isinstance(told, str) or float(told) == numbers["mass_mg"]
    return _holds(same, f"the mass is {told!r}, not {numbers['mass_mg']}")


_FILES = (
    b"# id: V1\n10.0 3\n10.2 5\n10.4 900\n", b"10.0,3\r\n10.5,4\r\n11.0,5\r\n",
    b"2theta;counts\n5.00;1\n5.02;0\n5.04;12\n5.06;2147483647\n",
)  # fmt: skip
_ANSWERS = (
    b'{"id": "c1", "by": "A", "mass_mg": 12.3}', b'{"id": "c1", "values": {"mass_mg": "1.41 g"}}',
    b'{"id": "c1", "failed": "spilt"}', b'{"id": "c1", "mass_mg": 1e999}',
    b'{"id": "c1", "mass_mg": NaN}',
)  # fmt: skip

DEVICE, VALUE = (DeviceError, ValueError), (ValueError,)

CASES = (
    Case("modbus", _MODBUS_READ, _framed(modbus_tcp.frame, _modbus_read), DEVICE),
    Case("modbus", _MODBUS_WRITE, _framed(modbus_tcp.frame, _modbus_write), DEVICE),
    Case("modbus", _MODBUS_CONTACTS, _framed(modbus_tcp.frame, _modbus_contacts), DEVICE),
    Case("eurotherm", tuple(struct.pack(">d", v) for v in (0.1, 21.4, -5.0, 3276.7)), _cell, ()),
    Case("eurotherm_program", tuple(_PROGRAM_BYTES.values()), _program, ()),
    Case("mt_sics", _WEIGHTS, _framed(mt_sics.line, _weight), DEVICE),
    Case("mt_sics", _DOSES, _framed(mt_sics.line, _reply(mt_sics.START)), DEVICE),
    Case("mt_sics", _DOORS, _framed(mt_sics.line, _reply(mt_sics.ASK_DOOR)), DEVICE),
    Case("mt_sics", (b'I4 A "B1234"\r\n', b'I4 B "a"\r\nI4 A "b"\r\n', b"I4 I\r\n"),
         _framed(mt_sics.block, _serial), DEVICE),
    Case("aeris", _READY, _framed(aeris.frame, _aeris), DEVICE),
    Case("door", _STATUS, _framed(door.frame, _door), DEVICE),
    Case("ur_dashboard", (b"Robotmode: RUNNING\n", b"Robotmode: IDLE\r\n"),
         _framed(ur_dashboard.frame, _mode), DEVICE),
    Case("ur_dashboard", (b"Safetystatus: NORMAL\n", b"Safetystatus: FAULT\n"),
         _framed(ur_dashboard.frame, _safety), DEVICE),
    Case("ur_dashboard", (b"STOPPED sdl_move.urp\n", b"PLAYING x.urp\n"),
         _framed(ur_dashboard.frame, _state), DEVICE),
    Case("ur_dashboard", (b"Program running: true\n", b"Robot running: False\n"),
         _framed(ur_dashboard.frame, _runs), DEVICE),
    Case("rtde", (b"\x00\x10U\x01\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x01",
                  b"\x00\x10U\x01\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00"),
         _framed(rtde.frame, _packet), DEVICE),
    Case("rtde", (b"\x00\x15O\x01INT32,INT32,INT32", b"\x00\x19O\x00INT32,INT32,NOT_FOUND"),
         _framed(rtde.frame, _recipe), DEVICE),
    Case("rtde", (b"\x00\x13v\x00\x00\x00\x05\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x01",),
         _framed(rtde.frame, _version), DEVICE),
    Case("channel_access", _SAMPLES, _sample, VALUE),
    Case("result_files", _FILES, _columns, (ProtocolError, ConfigError)),
    Case("requests", _ANSWERS, _answer, (ProtocolError, ConfigError)),
)  # fmt: skip
"""Every way into the parsers that is tried."""
