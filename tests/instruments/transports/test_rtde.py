"""Registers over RTDE against a scripted controller: halves, heaps, garbage, other versions."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from golden import ur as golden
from instruments.protocols.rtde import MissingRegisterError
from instruments.transports.rtde import RegisterLink
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint

BOTH_TYPES = b",".join([b"INT32"] * 8)


@dataclass
class Controller:
    """A controller by the book; ``twist`` changes what it sends."""

    held: list[int] = field(default_factory=lambda: [0] * 5)
    shown: tuple[int, int, int] = (7, 0, 1)
    shows_inputs: bool = True
    in_use: bool = False
    takes_writes: bool = True
    twist: Callable[[bytes], bytes] = lambda packet: packet
    heard: list[int] = field(default_factory=list)
    both: bool = False
    idle_close: bool = False

    def answer(self, packet: bytes) -> bytes:
        kind, payload = packet[2:3], packet[3:]
        self.heard.append(packet[2])
        if kind == b"V":
            return golden.VERSION_TAKEN if payload == b"\x00\x02" else golden.VERSION_REFUSED
        if kind == b"v":
            return golden.CONTROLLER
        if kind == b"O":
            self.both = b"input_int" in payload
            if self.both and not self.shows_inputs:
                types = b",".join([b"INT32"] * 3 + [b"NOT_FOUND"] * 5)
                return struct.pack(">HBB", 4 + len(types), 79, 0) + types
            if self.both:
                return struct.pack(">HBB", 4 + len(BOTH_TYPES), 79, 1) + BOTH_TYPES
            return golden.OUTPUTS
        if kind == b"I":
            return golden.INPUTS_IN_USE if self.in_use else golden.INPUTS
        if kind == b"U":
            if self.takes_writes:
                self.held = list(struct.unpack(">5i", payload[1:]))
            return b""
        if kind == b"S":
            return golden.START_TAKEN + self.data()
        return self.data() + self.data() + golden.PAUSE_TAKEN

    def data(self) -> bytes:
        values = [*self.shown, *(self.held if self.both else ())]
        return struct.pack(f">HBB{len(values)}i", 4 + 4 * len(values), 85, 1, *values)


def serve(controller: Controller, listener: socket.socket) -> None:
    while True:
        try:
            link, _ = listener.accept()
        except OSError:
            return
        with link, link.makefile("rb") as stream:
            while True:
                header = stream.read(2)
                if len(header) < 2:
                    break
                packet = header + stream.read(struct.unpack(">H", header)[0] - 2)
                try:
                    link.sendall(controller.twist(controller.answer(packet)))
                except OSError:
                    break
                if controller.idle_close and packet[2:3] == b"P":
                    break


@pytest.fixture
def controller() -> Controller:
    return Controller()


@pytest.fixture
def registers(controller: Controller) -> Iterator[RegisterLink]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(controller, listener), daemon=True)
        thread.start()
        link = RegisterLink(
            "arm",
            Endpoint(host="127.0.0.1", port=listener.getsockname()[1]),
            outputs=golden.OUTPUT_NAMES,
            inputs=golden.INPUT_NAMES,
            deadline_s=0.4,
        )
        yield link
        link.close()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)


def outputs(registers: RegisterLink) -> list[int]:
    held = registers.read()
    return [held[name] for name in golden.OUTPUT_NAMES]


JOB: dict[str, int] = dict(zip(golden.INPUT_NAMES, (8, 0, 7, 3, 1), strict=True))


def test_reads_on_demand_and_pauses_the_stream(
    controller: Controller, registers: RegisterLink
) -> None:
    assert outputs(registers) == [7, 0, 1]
    controller.shown = (8, 2, 0)
    assert outputs(registers) == [8, 2, 0]
    assert bytes(controller.heard) == b"VOSPSP"
    assert registers.controller() == "5.12.0.1"


def test_writes_and_reads_back(controller: Controller, registers: RegisterLink) -> None:
    registers.write(JOB)
    assert controller.held == [8, 0, 7, 3, 1]
    registers.write({**JOB, golden.INPUT_NAMES[0]: 9})
    assert controller.held[0] == 9
    assert bytes(controller.heard).count(b"I") == 1


def test_a_controller_that_keeps_other_values_is_caught(
    controller: Controller, registers: RegisterLink
) -> None:
    controller.takes_writes = False
    with pytest.raises(DeviceError, match="other input registers than were written"):
        registers.write(JOB)


def test_an_older_controller_that_does_not_show_its_inputs(
    controller: Controller, registers: RegisterLink
) -> None:
    controller.shows_inputs = False
    registers.write(JOB)
    assert outputs(registers) == [7, 0, 1]
    assert bytes(controller.heard).count(b"O") == 2


def test_inputs_of_another_client_are_named(
    controller: Controller, registers: RegisterLink
) -> None:
    controller.in_use = True
    with pytest.raises(MissingRegisterError, match="IN_USE"):
        registers.write(JOB)
    controller.in_use = False
    registers.write(JOB)


def test_texts_in_between_are_passed_over(controller: Controller, registers: RegisterLink) -> None:
    controller.twist = lambda packet: golden.TEXT + packet + golden.TEXT
    assert outputs(registers) == [7, 0, 1]
    assert outputs(registers) == [7, 0, 1]


def test_an_idle_connection_that_was_closed_is_made_anew(
    controller: Controller, registers: RegisterLink
) -> None:
    controller.idle_close = True
    assert outputs(registers) == [7, 0, 1]
    assert outputs(registers) == [7, 0, 1]
    assert bytes(controller.heard) == b"VOSPVOSP"


@pytest.mark.parametrize(
    "twist",
    [
        lambda packet: b"",
        lambda packet: packet[:-1],
        lambda packet: packet[:2],
    ],
)
def test_fault_13_halves_end_at_the_deadline(
    controller: Controller, registers: RegisterLink, twist: Callable[[bytes], bytes]
) -> None:
    outputs(registers)
    controller.twist = twist
    with pytest.raises(LinkError, match="in time"):
        registers.read()
    controller.twist = lambda packet: packet
    assert outputs(registers) == [7, 0, 1]


@pytest.mark.parametrize(
    "twist",
    [
        lambda packet: b"\xff" * 12,
        lambda packet: b"\x00" + packet,
        lambda packet: packet.replace(b"U\x01", b"U\x09"),
        lambda packet: packet.replace(b"\x04S\x01", b"\x04S\x05"),
        lambda packet: golden.PAUSE_TAKEN + packet,
    ],
)
def test_fault_13_garbage_is_refused_and_the_next_exchange_works(
    controller: Controller, registers: RegisterLink, twist: Callable[[bytes], bytes]
) -> None:
    outputs(registers)
    controller.twist = twist
    with pytest.raises(ProtocolError):
        registers.read()
    controller.twist = lambda packet: packet
    assert outputs(registers) == [7, 0, 1]


def test_a_refused_version_is_told(controller: Controller, registers: RegisterLink) -> None:
    controller.twist = lambda packet: packet.replace(golden.VERSION_TAKEN, golden.VERSION_REFUSED)
    with pytest.raises(DeviceError, match="refuses protocol version 2"):
        registers.read()
