"""PVs of one IOC over one TCP connection to a known address: a lock, a deadline, no replay.

The clients of caproto and pyepics find servers by UDP searches that environment variables steer for
the whole process, reconnect and resend by themselves, and wait for half a minute on a frozen IOC.
Here the address is given, nothing is searched, nothing is sent twice.
"""

from __future__ import annotations

import random
import select
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from itertools import count
from typing import TypeVar

from instruments.protocols import channel_access as ca
from instruments.protocols.channel_access import Message, Sample, Verb
from instruments.readout import Value
from instruments.transports.tcp import DEADLINE_S, FIRST_PAUSE_S, LONGEST_PAUSE_S
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint

T = TypeVar("T")
_IDLE = (Verb.VERSION, Verb.ACCESS_RIGHTS, Verb.ECHO)
"""What servers may say at any time and what changes nothing for us."""


class _RefusedError(Exception):
    """The IOC said no; the connection is in order."""


class ChannelAccessLink:
    """Reads and writes PVs; every fault closes the connection.

    After a fault nothing is sent again, and the next request connects anew, but not before a pause
    that doubles with each failure.

    Args:
        name: Instrument, for messages.
        endpoint: Where the IOC's Channel Access server listens.
        deadline_s: Wall time for one request, connection included, s.
    """

    def __init__(self, name: str, endpoint: Endpoint, *, deadline_s: float = DEADLINE_S) -> None:
        self.name = name
        self.endpoint = endpoint
        self.deadline_s = deadline_s
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._received = b""
        self._channels: dict[str, int] = {}
        self._numbers = count(1)
        self._failures = 0
        self._not_before_s = 0.0
        self._jitter = random.Random()  # seeds nothing that is decided: only spreads reconnections

    def get(self, pv: str, *, text: bool = False) -> Sample:
        """The present value of a PV.

        Raises:
            LinkError: No connection or no answer in time.
            ProtocolError: Nonsense.
            DeviceError: The IOC has no such PV, or refuses to read it.
        """
        return self._carried_out(pv, lambda until_s: self._get(pv, text, until_s))

    def get_all(self, pvs: Mapping[str, bool]) -> dict[str, Sample | DeviceError]:
        """The present values of several PVs, asked for in one go.

        Args:
            pvs: Whether each is text.

        Returns:
            By PV: its value, or why the IOC gives none.

        Raises:
            LinkError: No connection, or not every answer in time.
            ProtocolError: Nonsense.
        """
        return self._carried_out("several PVs", lambda until_s: self._get_all(pvs, until_s))

    def put(self, pv: str, value: Value) -> None:
        """Writes a PV and waits until the IOC has taken it. Raises as ``get``.

        A text of more than 39 characters is refused; nothing is sent then.
        """
        try:
            ca.write_request(0, 0, value)
        except ValueError as err:
            raise DeviceError(
                f"{self.name} cannot hold a value of {pv}", got=str(err), where=self.name
            ) from err
        self._carried_out(pv, lambda until_s: self._put(pv, value, until_s))

    def close(self) -> None:
        """Closes the connection; the next request opens it again."""
        with self._lock:
            self._close()

    def _carried_out(self, pv: str, work: Callable[[float], T]) -> T:
        until_s = time.monotonic() + self.deadline_s
        if not self._lock.acquire(timeout=self.deadline_s):
            raise self._fault("is busy with another request", "no turn before the deadline")
        try:
            done = work(until_s)
        except ValueError as err:
            self._close()
            raise ProtocolError(
                f"{self.name} answered nonsense about {pv}",
                got=str(err),
                do="the connection was closed; the next request begins anew",
                where=self.name,
            ) from err
        except _RefusedError as err:
            raise self._refusal(pv, err) from err
        except BaseException:
            self._close()
            raise
        else:
            self._failures = 0
            return done
        finally:
            self._lock.release()

    def _get(self, pv: str, text: bool, until_s: float) -> Sample:
        channel, request = self._channel(pv, until_s), next(self._numbers)
        self._send(ca.read_request(channel, request, text=text), until_s)
        return ca.sample(self._answer(Verb.READ_NOTIFY, request, until_s))

    def _get_all(self, pvs: Mapping[str, bool], until_s: float) -> dict[str, Sample | DeviceError]:
        found: dict[str, Sample | DeviceError] = {}
        asked: dict[int, str] = {}
        requests: list[bytes] = []
        for pv, text in pvs.items():
            try:
                channel, request = self._channel(pv, until_s), next(self._numbers)
            except _RefusedError as err:
                found[pv] = self._refusal(pv, err)
                continue
            asked[request] = pv
            requests.append(ca.read_request(channel, request, text=text))
        self._send(b"".join(requests), until_s)
        while asked:
            request, answer = self._next_answer(Verb.READ_NOTIFY, asked, until_s)
            pv = asked.pop(request)
            if isinstance(answer, _RefusedError):
                found[pv] = self._refusal(pv, answer)
            else:
                found[pv] = ca.sample(answer)
        return found

    def _put(self, pv: str, value: Value, until_s: float) -> None:
        channel, request = self._channel(pv, until_s), next(self._numbers)
        self._send(ca.write_request(channel, request, value), until_s)
        self._answer(Verb.WRITE_NOTIFY, request, until_s)

    def _channel(self, pv: str, until_s: float) -> int:
        """The server's number for a PV on the present connection."""
        self._connect(until_s)
        if pv not in self._channels:
            number = next(self._numbers)
            self._send(ca.create_channel(number, pv), until_s)
            while pv not in self._channels:
                message = self._message(until_s)
                if message.first == number and message.command == Verb.CREATE_CHANNEL:
                    self._channels[pv] = message.second
                elif message.first == number and message.command == Verb.CREATE_FAILED:
                    raise _RefusedError("there is no such PV")
                elif message.command not in _IDLE:
                    raise ValueError(f"command {message.command} in answer to a new channel")
        return self._channels[pv]

    def _answer(self, verb: Verb, request: int, until_s: float) -> Message:
        _, answer = self._next_answer(verb, (request,), until_s)
        if isinstance(answer, _RefusedError):
            raise answer
        return answer

    def _next_answer(
        self, verb: Verb, requests: Collection[int], until_s: float
    ) -> tuple[int, Message | _RefusedError]:
        """The next answer to one of these, and which."""
        while True:
            message = self._message(until_s)
            if message.command == verb and message.second in requests:
                if message.first != ca.NORMAL:
                    return message.second, _RefusedError(f"status {message.first}")
                return message.second, message
            if message.command == Verb.ERROR:
                about, words = ca.refusal(message)
                if about in requests:
                    return about, _RefusedError(words)
            if message.command == Verb.SERVER_DISCONNECT:
                raise self._fault("gave up a PV", f"channel {message.first}")
            if message.command not in _IDLE:
                raise ValueError(f"command {message.command}, request {message.second}")

    def _message(self, until_s: float) -> Message:
        while True:
            found = ca.parse(self._received)
            if found is not None:
                message, self._received = found
                return message
            self._received += self._receive(until_s)

    def _receive(self, until_s: float) -> bytes:
        link, left_s = self._open_socket(), until_s - time.monotonic()
        try:
            if left_s <= 0.0:
                raise TimeoutError
            link.settimeout(left_s)
            piece = link.recv(65536)
        except TimeoutError as err:
            raise self._fault("did not answer in time", f"{self._received[:80]!r} so far") from err
        except OSError as err:
            raise self._fault("broke the connection", str(err)) from err
        if not piece:
            raise self._fault("closed the connection", f"{self._received[:80]!r} so far")
        return piece

    def _send(self, data: bytes, until_s: float) -> None:
        link = self._open_socket()
        try:
            link.settimeout(max(until_s - time.monotonic(), 0.001))
            link.sendall(data)
        except OSError as err:
            raise self._fault("did not take a request", str(err)) from err

    def _connect(self, until_s: float) -> None:
        if self._socket is not None and self._is_gone(self._socket):
            # The IOC closed an idle connection: nothing was sent, so a new one is safe.
            self._close()
        if self._socket is not None:
            return
        now_s = time.monotonic()
        if now_s < self._not_before_s:
            wait_s = self._not_before_s - now_s
            raise self._fault("does not answer", f"next try in {wait_s:.1f} s")
        try:
            self._socket = socket.create_connection(
                (self.endpoint.host, self.endpoint.port), timeout=max(until_s - now_s, 0.001)
            )
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as err:
            pause_s = min(FIRST_PAUSE_S * 2.0**self._failures, LONGEST_PAUSE_S)
            self._failures += 1
            self._not_before_s = time.monotonic() + pause_s * self._jitter.uniform(0.5, 1.0)
            raise self._fault("cannot be reached", str(err)) from err
        self._send(ca.greeting("sdl", socket.gethostname()), until_s)

    def _is_gone(self, link: socket.socket) -> bool:
        """Whether the IOC has closed an idle connection; what it said meanwhile is kept."""
        while select.select([link], [], [], 0.0)[0]:
            try:
                piece = link.recv(65536)
            except OSError:
                return True
            if not piece:
                return True
            self._received += piece
        return False

    def _open_socket(self) -> socket.socket:
        if self._socket is None:
            raise self._fault("is not connected", "no connection")
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._received = None, b""
        self._channels.clear()

    def _refusal(self, pv: str, err: _RefusedError) -> DeviceError:
        return DeviceError(
            f"{self.name} refuses {pv}", got=str(err), do="look at the IOC", where=self.name
        )

    def _fault(self, what: str, got: str) -> LinkError:
        return LinkError(
            f"{self.name} {what}",
            got=got,
            allowed=f"an answer from {self.endpoint} within {self.deadline_s:g} s",
            do="check the IOC and the network; nothing is sent again by itself",
            where=self.name,
        )
