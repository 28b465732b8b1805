"""One TCP connection to one device: a lock, a deadline for each exchange, back-off, no replay."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sdl.core.errors import LinkError, ProtocolError
from sdl.core.lab import Endpoint

Framer = Callable[[bytes], int | None]
"""Length of the first whole answer in what was received so far; ``None`` while more must come.
Raises ``ValueError`` where no answer can begin so; the link then closes, which is the resync."""


@dataclass(frozen=True)
class Announced:
    """A line that a device sends unasked when what it has begun ends, framed as its answers are.

    Args:
        by: Whether an answer announces it.
        line: Whether a frame is the announced one.
    """

    by: Callable[[bytes], bool]
    line: Callable[[bytes], bool]


DEADLINE_S = 2.0
"""Wall time for one exchange, connection included, s."""
LONGEST_ANSWER = 1_000_000
"""Bytes of one answer at most: a device that never ends its answer is broken."""
FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 5.0
FREE_FAULTS = 2
"""Faults in a row of connections that were made after which the next is made at once."""


class TcpLink:
    """Exchanges one request for one answer at a time; every fault closes the connection.

    After a fault nothing is sent again: what the device did is not known, and only the caller may
    decide. The next exchange connects anew: at once after the first two faults of connections that
    were made, otherwise not before a pause that doubles with each failure (with jitter, so that
    many links do not storm a device that comes back); until then it fails at once. ``hurry`` ends
    the pause, for stops.

    Args:
        name: Instrument, for messages.
        endpoint: Where the device listens.
        deadline_s: Wall time for one exchange, s.
        greeting: Frame of what the device says first on a new connection; ``None`` when nothing.
        per_query: Whether the device wants a new connection for every exchange.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        deadline_s: float = DEADLINE_S,
        greeting: Framer | None = None,
        per_query: bool = False,
    ) -> None:
        self.name = name
        self.endpoint = endpoint
        self.deadline_s = deadline_s
        self._greeting = greeting
        self._per_query = per_query
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._awaited: tuple[Framer, Announced] | None = None
        self._announced: bytes | None = None
        self._rest = b""
        self._failures = 0
        self._faults = 0
        self._not_before_s = 0.0
        self._jitter = random.Random()  # seeds nothing that is decided: only spreads reconnections
        self.connections = 0
        """Connections made so far: a new one may be a device that was restarted."""

    @property
    def awaits(self) -> bool:
        """Whether an announced line is still to come on this connection."""
        return self._awaited is not None

    def exchange(
        self,
        request: bytes,
        framer: Framer | None,
        *,
        deadline_s: float | None = None,
        announced: Announced | None = None,
    ) -> bytes:
        """Sends a request and waits for its answer.

        Args:
            request: All bytes, sent at once.
            framer: Where the answer ends; ``None`` when the device does not answer.
            deadline_s: Instead of the link's, s.
            announced: Line that may follow the answer at any later time on this connection; it is
                kept for ``announced``, whatever is exchanged meanwhile.

        Returns:
            The answer, exactly one frame.

        Raises:
            LinkError: No connection, no whole answer before the deadline, or the connection broke.
            ProtocolError: The bytes cannot be an answer, or more came than one.
        """
        until_s = time.monotonic() + (self.deadline_s if deadline_s is None else deadline_s)
        self._take_turn(until_s)
        try:
            made = self._connect(until_s)
            if not self._sweep():
                if made:
                    self._back_off()
                    raise self._fault("closed the connection", "nothing; it was just made")
                # The device closed an idle connection: the request was not sent, so a new one is
                # safe.
                self._connect(until_s)
            self._send(request, until_s)
            answer = b"" if framer is None else self._answer(framer, until_s, announced)
        except BaseException:
            self._fail()
            raise
        else:
            self._failures = self._faults = 0
            if self._per_query:
                self._close()
            return answer
        finally:
            self._lock.release()

    def announced(self) -> bytes | None:
        """The announced line, if it has come; sends nothing and waits for nothing.

        Raises:
            LinkError: The connection broke.
            ProtocolError: Something else came.
        """
        self._take_turn(time.monotonic() + self.deadline_s)
        try:
            if self._announced is None and self._socket is not None:
                self._sweep()
        except BaseException:
            self._close()
            raise
        else:
            return self._announced
        finally:
            self._lock.release()

    def hurry(self) -> None:
        """Lets the next exchange connect at once, whatever pause is left: a stop must not wait."""
        self._not_before_s = 0.0

    def close(self) -> None:
        """Closes the connection; the next exchange opens it again."""
        with self._lock:
            self._close()

    def _connect(self, until_s: float) -> bool:
        """Makes a connection where there is none; whether it did."""
        if self._socket is not None:
            return False
        now_s = time.monotonic()
        if now_s < self._not_before_s:
            wait_s = self._not_before_s - now_s
            raise self._fault("does not answer", f"next try in {wait_s:.1f} s")
        try:
            self._socket = socket.create_connection(
                (self.endpoint.host, self.endpoint.port), timeout=max(until_s - now_s, 0.001)
            )
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            if self._greeting is not None:
                self._greeted(self._greeting, until_s)
        except OSError as err:
            self._close()
            self._back_off()
            raise self._fault("cannot be reached", str(err)) from err
        except BaseException:
            self._close()
            self._back_off()
            raise
        return True

    def _fail(self) -> None:
        """Closes a connection on which something went wrong; too often in a row backs off."""
        connected = self._socket is not None
        self._close()
        if connected:
            self._faults += 1
            if self._faults > FREE_FAULTS:
                self._back_off()

    def _back_off(self) -> None:
        pause_s = min(FIRST_PAUSE_S * 2.0**self._failures, LONGEST_PAUSE_S)
        self._failures += 1
        self._not_before_s = time.monotonic() + pause_s * self._jitter.uniform(0.5, 1.0)

    def _take_turn(self, until_s: float) -> None:
        if not self._lock.acquire(timeout=max(until_s - time.monotonic(), 0.0)):
            raise self._fault("is busy with another exchange", "no turn before the deadline")

    def _sweep(self) -> bool:
        """Takes what came between exchanges: only an announced line may; False if it was the end.

        Of a line that is not whole yet the beginning stays for the next look.
        """
        link = self._open_socket()
        link.settimeout(0.0)
        try:
            stray = link.recv(4096)
        except BlockingIOError:
            return True
        except OSError as err:
            raise self._fault("closed the connection", str(err)) from err
        if not stray:
            self._close()
            return False
        received = self._without_announced(self._rest + stray)
        if received and (self._awaited is None or self._length(self._awaited[0], received)):
            raise ProtocolError(
                f"{self.name} sent something that nobody asked for",
                got=repr(received[:80]),
                do="the connection was closed; the next exchange begins anew",
                where=self.name,
            )
        self._rest = received
        return True

    def _without_announced(self, received: bytes) -> bytes:
        """Keeps the announced line where it stands first; returns what follows it."""
        if self._awaited is None:
            return received
        framer, announced = self._awaited
        length = self._length(framer, received)
        if length is None or not announced.line(received[:length]):
            return received
        self._announced, self._awaited = received[:length], None
        return received[length:]

    def _send(self, request: bytes, until_s: float) -> None:
        link = self._open_socket()
        link.settimeout(max(until_s - time.monotonic(), 0.001))
        try:
            link.sendall(request)
        except OSError as err:
            raise self._fault("did not take a request", str(err)) from err

    def _answer(self, framer: Framer, until_s: float, announced: Announced | None) -> bytes:
        """The answer to what was sent: alone, but for an announced line before or behind it."""
        received, begun_before = self._rest, bool(self._rest)
        self._rest = b""
        while True:
            awaited = self._awaited
            received = self._without_announced(received)
            begun_before = begun_before and self._awaited is awaited
            length = self._length(framer, received) if received else None
            if length is not None:
                break
            received += self._piece(received, until_s)
        answer, rest = received[:length], received[length:]
        if begun_before:
            raise self._nonsense(received, "the announced line, then the answer")
        if announced is not None and announced.by(answer):
            self._awaited, self._announced = (framer, announced), None
        rest = self._without_announced(rest)
        if rest and (self._awaited is None or self._length(self._awaited[0], rest) is not None):
            raise self._nonsense(received, "one answer")
        self._rest = rest
        return answer

    def _greeted(self, framer: Framer, until_s: float) -> None:
        """Waits for the greeting; what the device says with it in one go goes unread."""
        received = b""
        while self._length(framer, received) is None:
            received += self._piece(received, until_s)

    def _piece(self, received: bytes, until_s: float) -> bytes:
        """What comes next, at least one byte."""
        left_s = until_s - time.monotonic()
        if left_s <= 0.0:
            raise self._fault("did not answer in time", f"{received[:80]!r} so far")
        link = self._open_socket()
        link.settimeout(left_s)
        try:
            piece = link.recv(65536)
        except TimeoutError as err:
            raise self._fault("did not answer in time", f"{received[:80]!r} so far") from err
        except OSError as err:
            raise self._fault("broke the connection", str(err)) from err
        if not piece:
            raise self._fault("closed the connection", f"{received[:80]!r} so far")
        return piece

    def _length(self, framer: Framer, received: bytes) -> int | None:
        try:
            length = framer(received)
        except ValueError as err:
            raise self._nonsense(received, str(err)) from err
        if length is None and len(received) > LONGEST_ANSWER:
            raise self._nonsense(received, f"at most {LONGEST_ANSWER} bytes")
        return length

    def _nonsense(self, received: bytes, allowed: str) -> ProtocolError:
        return ProtocolError(
            f"{self.name} answered nonsense",
            got=repr(received[:80]),
            allowed=allowed,
            do="the connection was closed; the next exchange begins anew",
            where=self.name,
        )

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise self._fault("is not connected", "no connection")
        return self._socket

    def _close(self) -> None:
        # An announced line can only come on its own connection.
        self._awaited, self._rest = None, b""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _fault(self, what: str, got: str) -> LinkError:
        return LinkError(
            f"{self.name} {what}",
            got=got,
            allowed=f"an answer from {self.endpoint} within {self.deadline_s:g} s",
            do="check power and cable; nothing is sent again by itself",
            where=self.name,
        )
