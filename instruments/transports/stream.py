"""A TCP connection on which a device also sends by itself: frames are taken off one by one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from instruments.transports.tcp import DEADLINE_S, LONGEST_ANSWER, Framer, TcpLink
from sdl.core.lab import Endpoint


class StreamLink(TcpLink):
    """Lock, deadline, back-off and no replay as ``TcpLink``; several frames may belong together.

    Args:
        name: Instrument, for messages.
        endpoint: Where the device listens.
        framer: Where a frame ends.
        deadline_s: Wall time for one turn, s.
    """

    def __init__(
        self, name: str, endpoint: Endpoint, framer: Framer, *, deadline_s: float = DEADLINE_S
    ) -> None:
        super().__init__(name, endpoint, deadline_s=deadline_s)
        self._framer = framer
        self._buffer = b""

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Holds the connection while frames that belong together are exchanged.

        What goes wrong inside closes the connection: the next turn finds a new one, on which
        nothing is set up (``connections`` tells).

        Raises:
            LinkError: No turn or no connection before the deadline.
        """
        until_s = time.monotonic() + self.deadline_s
        if not self._lock.acquire(timeout=self.deadline_s):
            raise self._fault("is busy with another exchange", "no turn before the deadline")
        try:
            self._connect(until_s)
            self._take_in()
            yield Turn(self, until_s)
        except BaseException:
            self._fail()
            raise
        else:
            self._failures = self._faults = 0
        finally:
            self._lock.release()

    def send(self, frame: bytes, until_s: float) -> None:
        """For ``Turn``: sends one frame."""
        self._send(frame, until_s)

    def receive(self, until_s: float) -> bytes:
        """For ``Turn``: the next frame."""
        while True:
            length = self._length(self._framer, self._buffer)
            if length is not None:
                frame, self._buffer = self._buffer[:length], self._buffer[length:]
                return frame
            self._buffer += self._piece(self._buffer, until_s)

    def _take_in(self) -> None:
        """What came since the last turn; a connection that the device closed is made anew."""
        link = self._open_socket()
        link.settimeout(0.0)
        while len(self._buffer) <= LONGEST_ANSWER:
            try:
                piece = link.recv(65536)
            except BlockingIOError:
                return
            except OSError as err:
                raise self._fault("closed the connection", str(err)) from err
            if not piece:
                # Nothing was sent in this turn yet, so a new connection is safe.
                self._close()
                self._connect(time.monotonic() + self.deadline_s)
                return
            self._buffer += piece
        raise self._nonsense(self._buffer, f"at most {LONGEST_ANSWER} bytes that nobody asked for")

    def _close(self) -> None:
        super()._close()
        self._buffer = b""


class Turn:
    """One turn at a ``StreamLink``: what is sent and received before its deadline."""

    def __init__(self, link: StreamLink, until_s: float) -> None:
        self._link = link
        self.until_s = until_s

    def send(self, frame: bytes) -> None:
        """Sends one frame.

        Raises:
            LinkError: The connection broke, or time is up.
        """
        self._link.send(frame, self.until_s)

    def receive(self) -> bytes:
        """The next frame.

        Raises:
            LinkError: None came before the deadline, or the connection broke.
            ProtocolError: The bytes cannot be a frame.
        """
        return self._link.receive(self.until_s)
