"""One TCP connection to one device: deadlines, garbage, leftovers, back-off, no replay."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from instruments.transports.framing import lines, until
from instruments.transports.tcp import FREE_FAULTS, LONGEST_PAUSE_S, TcpLink
from line_device import FOREVER_S, Connect, Device, Make, echo, pending, says, wait_for
from sdl.core.errors import LinkError, ProtocolError
from sdl.core.lab import Endpoint

LINE = until(b"\r\n")


def test_many_exchanges_use_one_connection(make: Make, connect: Connect) -> None:
    device = make(echo)
    link = connect("scale", device.endpoint)
    for number in range(20):
        sent = b"%d\r\n" % number
        assert link.exchange(sent, LINE) == sent
    assert link.connections == 1
    link.close()
    assert link.exchange(b"again\r\n", LINE) == b"again\r\n"
    assert link.connections == 2


def test_an_answer_in_pieces_is_one_answer(make: Make, connect: Connect) -> None:
    def talk(_: Device, link: socket.socket, line: bytes) -> None:
        for byte in b"S S 1.0 g\r\n":
            link.sendall(bytes([byte]))

    device = make(talk)
    assert connect("scale", device.endpoint).exchange(b"S\r\n", LINE) == b"S S 1.0 g\r\n"


def test_answers_of_several_lines(make: Make, connect: Connect) -> None:
    device = make(says(b"1\r\n", b"2\r\n"))
    link = connect("scale", device.endpoint)
    assert link.exchange(b"I0\r\n", lines(2, b"\r\n")) == b"1\r\n2\r\n"


def test_a_device_that_does_not_answer_is_told_only(make: Make, connect: Connect) -> None:
    device = make(says())
    assert connect("scale", device.endpoint).exchange(b"GO\r\n", None) == b""
    wait_for(lambda: device.heard == [b"GO\r\n"])


def test_a_frozen_device_costs_the_deadline_and_no_more(make: Make, connect: Connect) -> None:
    device = make(says())
    link = connect("scale", device.endpoint, deadline_s=0.2)
    begin_s = time.monotonic()
    with pytest.raises(LinkError, match=r"scale did not answer in time.*b'' so far"):
        link.exchange(b"S\r\n", LINE)
    assert 0.19 < time.monotonic() - begin_s < 1.0


def test_a_frozen_device_costs_the_deadline_of_the_exchange(make: Make, connect: Connect) -> None:
    device = make(says())
    link = connect("scale", device.endpoint, deadline_s=60.0)
    begin_s = time.monotonic()
    with pytest.raises(LinkError, match="in time"):
        link.exchange(b"S\r\n", LINE, deadline_s=0.1)
    assert time.monotonic() - begin_s < 1.0


def test_a_listener_that_never_accepts_costs_the_deadline(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as listener:
        endpoint = Endpoint(host="127.0.0.1", port=listener.getsockname()[1])
        begin_s = time.monotonic()
        with pytest.raises(LinkError):
            connect("scale", endpoint, deadline_s=0.2).exchange(b"S\r\n", LINE)
        assert time.monotonic() - begin_s < 1.0


def test_half_an_answer_then_silence(make: Make, connect: Connect) -> None:
    device = make(says(b"S S  "))
    link = connect("scale", device.endpoint, deadline_s=0.2)
    with pytest.raises(LinkError, match=r"in time.*S S  "):
        link.exchange(b"S\r\n", LINE)


def test_half_an_answer_then_the_end(make: Make, connect: Connect) -> None:
    def talk(_: Device, link: socket.socket, line: bytes) -> None:
        link.sendall(b"S S  ")
        link.shutdown(socket.SHUT_RDWR)

    device = make(talk)
    with pytest.raises(LinkError, match=r"closed the connection.*S S  "):
        connect("scale", device.endpoint).exchange(b"S\r\n", LINE)


def test_garbage_closes_the_link_and_the_next_exchange_is_clean(
    make: Make, connect: Connect
) -> None:
    def talk(device: Device, link: socket.socket, line: bytes) -> None:
        link.sendall(b"\x00\xff" * 40 if len(device.heard) == 1 else line)

    device = make(talk)
    link = connect("scale", device.endpoint)
    with pytest.raises(ProtocolError, match=r"scale answered nonsense.*x00.xff"):
        link.exchange(b"S\r\n", until(b"\r\n", longest=64))
    assert link.exchange(b"S\r\n", LINE) == b"S\r\n"
    assert link.connections == 2


def test_an_answer_without_end_is_given_up(make: Make, connect: Connect) -> None:
    device = make(says(b"x" * 2_000_000))
    with pytest.raises(ProtocolError, match="at most 1000000 bytes"):
        connect("scale", device.endpoint).exchange(b"S\r\n", lambda _: None)


def test_two_replies_in_one_read_are_refused(make: Make, connect: Connect) -> None:
    device = make(says(b"S S 1.0 g\r\nS S 2.0 g\r\n"))
    with pytest.raises(ProtocolError, match="allowed: one answer"):
        connect("scale", device.endpoint).exchange(b"S\r\n", LINE)


def test_what_nobody_asked_for_is_never_an_answer(make: Make, connect: Connect) -> None:
    device = make(echo)
    link = connect("scale", device.endpoint)
    link.exchange(b"1\r\n", LINE)
    device.links[0].sendall(b"S S 9.9 g\r\n")
    wait_for(lambda: pending(link))
    with pytest.raises(ProtocolError, match=r"nobody asked for.*9\.9"):
        link.exchange(b"2\r\n", LINE)
    assert device.heard == [b"1\r\n"]
    assert link.exchange(b"3\r\n", LINE) == b"3\r\n"


def test_an_idle_connection_that_the_device_closed_is_opened_again(
    make: Make, connect: Connect
) -> None:
    device = make(echo)
    link = connect("scale", device.endpoint)
    link.exchange(b"1\r\n", LINE)
    device.links[0].shutdown(socket.SHUT_RDWR)
    wait_for(lambda: pending(link))
    assert link.exchange(b"2\r\n", LINE) == b"2\r\n"
    assert (link.connections, device.heard) == (2, [b"1\r\n", b"2\r\n"])


def test_nothing_is_sent_again_after_a_fault(make: Make, connect: Connect) -> None:
    def talk(device: Device, link: socket.socket, line: bytes) -> None:
        if line == b"DOSE\r\n":
            link.shutdown(socket.SHUT_RDWR)
        else:
            link.sendall(line)

    device = make(talk)
    link = connect("scale", device.endpoint)
    with pytest.raises(LinkError):
        link.exchange(b"DOSE\r\n", LINE)
    assert link.exchange(b"S\r\n", LINE) == b"S\r\n"
    assert device.heard == [b"DOSE\r\n", b"S\r\n"]


def test_a_new_connection_per_query(make: Make, connect: Connect) -> None:
    device = make(echo)
    link = connect("scale", device.endpoint, per_query=True)
    for _ in range(3):
        link.exchange(b"S\r\n", LINE)
    assert link.connections == 3
    assert len(device.links) == 3


def test_a_greeting_is_read_once_per_connection(make: Make, connect: Connect) -> None:
    device = make(echo, greeting=b"Hello\r\n")
    link = connect("arm", device.endpoint, greeting=LINE)
    assert link.exchange(b"1\r\n", LINE) == b"1\r\n"
    assert link.exchange(b"2\r\n", LINE) == b"2\r\n"


def test_a_missing_greeting_is_a_fault(make: Make, connect: Connect) -> None:
    device = make(echo)
    link = connect("arm", device.endpoint, greeting=LINE, deadline_s=0.1)
    with pytest.raises(LinkError, match="in time"):
        link.exchange(b"1\r\n", LINE)
    assert device.heard == []


def test_failed_connections_wait_longer_each_time(connect: Connect) -> None:
    link = connect("scale", _nobody())
    pauses_s: list[float] = []
    for _ in range(12):
        with pytest.raises(LinkError, match="cannot be reached"):
            link.exchange(b"S\r\n", LINE)
        pauses_s.append(link._not_before_s - time.monotonic())
        with pytest.raises(LinkError, match="next try in"):
            link.exchange(b"S\r\n", LINE)  # fails at once: nothing storms
        link._not_before_s = 0.0
    assert pauses_s[0] < 0.06
    assert max(pauses_s) <= LONGEST_PAUSE_S
    assert pauses_s[-1] > LONGEST_PAUSE_S / 2.1
    assert link.connections == 0


def test_a_device_that_comes_back_is_found_and_forgiven(make: Make, connect: Connect) -> None:
    endpoint = _nobody()
    link = connect("scale", endpoint)
    with pytest.raises(LinkError, match="cannot be reached"):
        link.exchange(b"S\r\n", LINE)
    make(echo, port=endpoint.port)
    wait_for(lambda: _answers(link))
    assert link._failures == 0


def test_one_exchange_at_a_time(make: Make, connect: Connect) -> None:
    device = make(echo)
    link = connect("scale", device.endpoint)
    wrong: list[bytes] = []

    def ask(number: int) -> None:
        for turn in range(25):
            sent = b"%d.%d\r\n" % (number, turn)
            if link.exchange(sent, LINE) != sent:
                wrong.append(sent)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(FOREVER_S)
    assert (wrong, len(device.heard), link.connections) == ([], 100, 1)


def test_whoever_waits_for_his_turn_has_a_deadline_too(make: Make, connect: Connect) -> None:
    device = make(says())
    link = connect("scale", device.endpoint, deadline_s=0.6)
    first = threading.Thread(target=_answers, args=(link,))
    first.start()
    wait_for(lambda: device.heard)
    with pytest.raises(LinkError, match="busy with another exchange"):
        link.exchange(b"@\r\n", LINE, deadline_s=0.1)
    first.join(FOREVER_S)
    assert device.heard == [b"S\r\n"]


def _answers(link: TcpLink) -> bool:
    try:
        return link.exchange(b"S\r\n", LINE) == b"S\r\n"
    except LinkError:
        return False


def _nobody() -> Endpoint:
    """An endpoint where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return Endpoint(host="127.0.0.1", port=listener.getsockname()[1])


def test_connections_that_break_again_and_again_back_off(make: Make, connect: Connect) -> None:
    device = make(says())
    link = connect("scale", device.endpoint, deadline_s=0.02)
    for _ in range(FREE_FAULTS + 1):
        with pytest.raises(LinkError, match="in time"):
            link.exchange(b"S\r\n", LINE)
    with pytest.raises(LinkError, match="next try in"):
        link.exchange(b"S\r\n", LINE)
    link.hurry()  # a stop does not wait
    with pytest.raises(LinkError, match="in time"):
        link.exchange(b"S\r\n", LINE)
