"""Lines that a device announces and sends unasked: kept, and never taken for an answer."""

from __future__ import annotations

import socket

import pytest

from instruments.transports.framing import until
from instruments.transports.tcp import Announced
from line_device import Connect, Device, Make, pending, says, wait_for
from sdl.core.errors import ProtocolError

LINE = until(b"\r\n")
END = Announced(by=lambda a: a == b"RUN B\r\n", line=lambda a: a in (b"RUN A\r\n", b"RUN I\r\n"))


def begins(_: Device, link: socket.socket, line: bytes) -> None:
    link.sendall(b"RUN B\r\n" if line == b"RUN\r\n" else line)


def test_an_announced_line_may_come_between_exchanges(make: Make, connect: Connect) -> None:
    device = make(begins)
    link = connect("scale", device.endpoint)
    assert link.exchange(b"RUN\r\n", LINE, announced=END) == b"RUN B\r\n"
    assert (link.awaits, link.announced()) == (True, None)
    device.links[0].sendall(b"RUN A\r\n")
    wait_for(link.announced)
    assert (link.announced(), link.awaits) == (b"RUN A\r\n", False)
    assert link.exchange(b"S\r\n", LINE) == b"S\r\n"
    assert link.connections == 1


@pytest.mark.parametrize(
    "pieces",
    [
        (b"RUN A\r\nS\r\n",),
        (b"S\r\nRUN A\r\n",),
        (b"RU", b"N A\r\nS\r", b"\n"),
        (b"S\r\nRU", b"N A\r\n"),
    ],
)
def test_an_announced_line_may_come_with_an_answer(
    make: Make, connect: Connect, pieces: tuple[bytes, ...]
) -> None:
    def talk(_: Device, link: socket.socket, line: bytes) -> None:
        for piece in (b"RUN B\r\n",) if line == b"RUN\r\n" else pieces:
            link.sendall(piece)

    device = make(talk)
    link = connect("scale", device.endpoint)
    link.exchange(b"RUN\r\n", LINE, announced=END)
    assert link.exchange(b"S\r\n", LINE) == b"S\r\n"
    wait_for(link.announced)
    assert link.announced() == b"RUN A\r\n"
    assert link.connections == 1


def test_an_end_that_comes_with_the_beginning(make: Make, connect: Connect) -> None:
    device = make(says(b"RUN B\r\nRUN I\r\n"))
    link = connect("scale", device.endpoint)
    assert link.exchange(b"RUN\r\n", LINE, announced=END) == b"RUN B\r\n"
    assert link.announced() == b"RUN I\r\n"


def test_half_an_announced_line_waits_for_its_rest(make: Make, connect: Connect) -> None:
    device = make(begins)
    link = connect("scale", device.endpoint)
    link.exchange(b"RUN\r\n", LINE, announced=END)
    device.links[0].sendall(b"RU")
    wait_for(lambda: pending(link))
    assert link.announced() is None
    device.links[0].sendall(b"N A\r\n")
    wait_for(link.announced)
    assert link.exchange(b"S\r\n", LINE) == b"S\r\n"


def test_half_an_announced_line_is_never_the_beginning_of_an_answer(
    make: Make, connect: Connect
) -> None:
    def talk(_: Device, link: socket.socket, line: bytes) -> None:
        link.sendall(b"RUN B\r\n" if line == b"RUN\r\n" else b"9.9 g\r\n")

    device = make(talk)
    link = connect("scale", device.endpoint)
    link.exchange(b"RUN\r\n", LINE, announced=END)
    device.links[0].sendall(b"S S 1")
    wait_for(lambda: pending(link))
    assert link.announced() is None
    with pytest.raises(ProtocolError, match="nonsense"):
        link.exchange(b"S\r\n", LINE)


@pytest.mark.parametrize("stray", [b"RUN X\r\n", b"RUN A\r\nRUN A\r\n", b"S S 1.0 g\r\n"])
def test_another_line_than_the_announced_one_is_refused(
    make: Make, connect: Connect, stray: bytes
) -> None:
    device = make(begins)
    link = connect("scale", device.endpoint)
    link.exchange(b"RUN\r\n", LINE, announced=END)
    device.links[0].sendall(stray)
    wait_for(lambda: pending(link))
    with pytest.raises(ProtocolError, match="nobody asked for"):
        link.exchange(b"S\r\n", LINE)
    assert device.heard == [b"RUN\r\n"]


def test_only_its_announcement_makes_a_line_expected(make: Make, connect: Connect) -> None:
    device = make(says(b"RUN A\r\n"))
    link = connect("scale", device.endpoint)
    assert link.exchange(b"RUN\r\n", LINE, announced=END) == b"RUN A\r\n"
    assert (link.awaits, link.announced()) == (False, None)


def test_an_announced_line_dies_with_its_connection(make: Make, connect: Connect) -> None:
    device = make(begins)
    link = connect("scale", device.endpoint)
    link.exchange(b"RUN\r\n", LINE, announced=END)
    device.links[0].shutdown(socket.SHUT_RDWR)
    wait_for(lambda: link.announced() is None and not link.awaits)
    assert link.exchange(b"S\r\n", LINE) == b"S\r\n"
    assert link.connections == 2
    assert device.heard == [b"RUN\r\n", b"S\r\n"]


def test_an_announced_line_that_came_before_the_end_is_kept(make: Make, connect: Connect) -> None:
    device = make(begins)
    link = connect("scale", device.endpoint)
    link.exchange(b"RUN\r\n", LINE, announced=END)
    device.links[0].sendall(b"RUN A\r\n")
    wait_for(link.announced)
    link.close()
    assert link.announced() == b"RUN A\r\n"
    link.exchange(b"RUN\r\n", LINE, announced=END)
    assert link.announced() is None
