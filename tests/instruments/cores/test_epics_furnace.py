"""The furnace core and its link against scripted servers that misbehave."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from golden import channel_access as golden
from instruments.cores.epics_furnace import EpicsFurnaceCore
from instruments.devices.quality import look
from instruments.protocols import channel_access as ca
from instruments.protocols.channel_access import Kind, Message, Verb
from instruments.readout import Quality
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint

Answer = Callable[[Message], bytes | None]


class Server:
    """Answers each request by a function; channels are numbered as they come."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.names: list[str] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(link)
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        data, names = b"", []
        while True:
            try:
                piece = link.recv(65536)
            except OSError:
                return
            if not piece:
                return
            data += piece
            while (found := ca.parse(data)) is not None:
                message, data = found
                reply = self._reply(message, names)
                if reply is None:
                    link.shutdown(socket.SHUT_RDWR)
                    return
                link.sendall(reply)

    def _reply(self, message: Message, names: list[str]) -> bytes | None:
        if message.command == Verb.CREATE_CHANNEL:
            names.append(message.payload.partition(b"\0")[0].decode())
            self.names.append(names[-1])
            rights = Message(Verb.ACCESS_RIGHTS, first=message.first, second=3)
            made = Message(Verb.CREATE_CHANNEL, 6, 1, message.first, len(names))
            return rights.encode() + made.encode()
        if message.command in (Verb.READ_NOTIFY, Verb.WRITE_NOTIFY):
            return self.answer(message)
        return b""

    def close(self) -> None:
        for link in (self.listener, *self.open):
            link.close()


def value(message: Message, number: float = 332.0, *, severity: int = 0) -> bytes:
    if message.command == Verb.WRITE_NOTIFY:
        return Message(Verb.WRITE_NOTIFY, 6, 1, ca.NORMAL, message.second).encode()
    head = struct.pack(">HHII", 1 if severity else 0, severity, 1, 0)
    if message.kind == Kind.TIME_STRING:
        payload = head + b"IDLE".ljust(40, b"\0")
    else:
        payload = head + struct.pack(">Id", 0, number)
    return Message(Verb.READ_NOTIFY, message.kind, 1, 1, message.second, payload).encode()


@contextmanager
def furnace(answer: Answer) -> Iterator[tuple[EpicsFurnaceCore, Server]]:
    server = Server(answer)
    port = server.listener.getsockname()[1]
    core = EpicsFurnaceCore("f", Endpoint(host="127.0.0.1", port=port), "F:", highest_c=900.0)
    core.link.deadline_s = 0.3
    try:
        yield core, server
    finally:
        core.close()
        server.close()


def test_values_over_one_connection() -> None:
    with furnace(value) as (core, server):
        assert core.number("temperature_c") == 332.0
        assert core.text("program_state") == "IDLE"
        assert core.number("temperature_c") == 332.0
        assert server.names == ["F:RBV", "F:PROG:STATE"]
        assert server.connections == 1


NORMAL = ["temperature_c", "setpoint_c", "moving", "program_state", "segment", "remaining_s"]


def test_a_look_asks_for_all_in_one_go_and_takes_answers_in_any_order() -> None:
    held: list[Message] = []

    def answer_backwards(message: Message) -> bytes:
        held.append(message)
        if len(held) < len(NORMAL):
            return b""
        numbers = {m.second: float(n) for n, m in enumerate(held)}
        answers = [value(m, numbers[m.second]) for m in reversed(held)]
        held.clear()
        return b"".join(answers)

    with furnace(answer_backwards) as (core, server):
        seen = look(core, NORMAL)
        assert seen.readout("temperature_c").value == 0.0
        assert seen.readout("setpoint_c").value == 1.0
        assert seen.readout("program_state").value == "IDLE"
        assert server.connections == 1


def test_a_look_shows_what_the_ioc_gives_and_says_what_it_does_not() -> None:
    def but_one(message: Message) -> bytes:
        if message.kind == Kind.TIME_STRING:
            return Message(Verb.READ_NOTIFY, message.kind, 1, 10, message.second, b"").encode()
        return value(message)

    with furnace(but_one) as (core, _):
        seen = look(core, NORMAL)
        assert seen.readout("temperature_c").value == 332.0
        assert seen.readout("program_state").quality is Quality.MISSING
        assert "refuses F:PROG:STATE" in seen.readout("program_state").reason


def test_a_look_at_a_frozen_ioc_waits_once() -> None:
    with furnace(lambda _: b"") as (core, _):
        begun_s = time.monotonic()
        seen = look(core, NORMAL)
        assert time.monotonic() - begun_s < 2.0 * core.link.deadline_s
        assert {seen.readout(name).quality for name in NORMAL} == {Quality.UNREACHABLE}


def test_an_invalid_value_is_not_shown() -> None:
    with furnace(lambda m: value(m, severity=3)) as (core, _):
        readout = core.read("temperature_c")
        assert readout.quality is Quality.IMPLAUSIBLE
        assert "says its IOC" in readout.reason
        assert core.is_sensor_broken()
        assert core.read("boot").value is None


def test_a_minor_alarm_is_a_value() -> None:
    with furnace(lambda m: value(m, severity=1)) as (core, _):
        assert core.number("temperature_c") == 332.0


def test_a_frozen_ioc_ends_a_request_in_time_and_connects_anew() -> None:
    answers = iter([b"", b""])
    with furnace(lambda m: next(answers, value(m))) as (core, s):
        for _ in range(2):
            began_s = time.monotonic()
            with pytest.raises(LinkError, match="did not answer in time"):
                core.fetch("temperature_c")
            assert time.monotonic() - began_s < 2.0
        assert core.number("temperature_c") == 332.0
        assert s.connections == 3


def test_a_late_answer_is_not_taken_for_the_next() -> None:
    first: list[Message] = []

    def answer(message: Message) -> bytes:
        first.append(message)
        return value(first[0], 1.0) if len(first) == 2 else b""

    with furnace(answer) as (core, _):
        with pytest.raises(LinkError):
            core.fetch("temperature_c")
        with pytest.raises(ProtocolError, match="nonsense"):
            core.fetch("temperature_c")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xff" * 64,
        golden.WRITE_REFUSED[:16] + bytes(32),
        Message(Verb.READ_NOTIFY, 20, 1, 1, 12345, bytes(24)).encode(),
        b"HTTP/1.1 400 Bad Request\r\n\r\n" * 4,
    ],
)
def test_nonsense_closes_the_connection(nonsense: bytes) -> None:
    answers = iter([nonsense])
    with furnace(lambda m: next(answers, value(m))) as (core, server):
        with pytest.raises((ProtocolError, LinkError)):
            core.fetch("temperature_c")
        assert core.number("temperature_c") == 332.0
        assert server.connections == 2


def test_wrong_types_and_counts_are_nonsense() -> None:
    def answer(message: Message) -> bytes:
        payload = bytes(24)
        return Message(Verb.READ_NOTIFY, 20, 2, 1, message.second, payload).encode()

    with furnace(answer) as (core, _):
        assert core.read("temperature_c").quality is Quality.IMPLAUSIBLE


def test_a_failed_read_keeps_the_connection() -> None:
    codes = iter([0xA0])

    def answer(message: Message) -> bytes:
        code = next(codes, None)
        if code is None:
            return value(message)
        return Message(Verb.READ_NOTIFY, 20, 1, code, message.second, bytes(24)).encode()

    with furnace(answer) as (core, server):
        with pytest.raises(DeviceError, match="status 160"):
            core.fetch("temperature_c")
        assert core.number("temperature_c") == 332.0
        assert server.connections == 1


def test_an_idle_connection_that_was_closed_is_opened_again() -> None:
    with furnace(value) as (core, server):
        assert core.number("temperature_c") == 332.0
        server.open[0].shutdown(socket.SHUT_RDWR)
        assert core.number("temperature_c") == 332.0
        assert server.connections == 2


def test_a_connection_that_breaks_in_a_write_is_not_written_again() -> None:
    written: list[Message] = []

    def answer(message: Message) -> bytes | None:
        if message.command == Verb.WRITE_NOTIFY:
            written.append(message)
            return None
        return value(message)

    with furnace(answer) as (core, _):
        with pytest.raises(LinkError, match=r"closed|broke"):
            core.run("tag")
        assert core.number("temperature_c") == 332.0
        assert len(written) == 1


def test_nobody_there_fails_at_once_with_back_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    core = EpicsFurnaceCore("f", Endpoint(host="127.0.0.1", port=port), "F:", highest_c=900.0)
    with pytest.raises(LinkError, match="cannot be reached"):
        core.stop()
    with pytest.raises(LinkError, match="next try"):
        core.stop()


def test_limits_are_the_laboratorys() -> None:
    with furnace(value) as (core, _):
        core.put("setpoint_c", 332.0)
        with pytest.raises(DeviceError, match="0 to 900 degC"):
            core.put("setpoint_c", 901.0)
        with pytest.raises(DeviceError, match="another value"):
            core.put("setpoint_c", 333.0)
        with pytest.raises(DeviceError, match="cannot hold"):
            core.run("x" * 40)
        with pytest.raises(ProtocolError, match="no known state"):
            EpicsFurnaceCore.state(_Odd(core))


class _Odd(EpicsFurnaceCore):
    def __init__(self, core: EpicsFurnaceCore) -> None:
        super().__init__("f", core.link.endpoint, "F:", highest_c=900.0)

    def text(self, channel: str) -> str:
        return "DREAMING"
