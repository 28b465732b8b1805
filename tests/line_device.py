"""A device on a socket that answers line by line as it is told; for tests of links."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from instruments.transports.tcp import TcpLink
from sdl.core.lab import Endpoint

FOREVER_S = 10.0
Talk = Callable[["Device", socket.socket, bytes], None]


@dataclass
class Device:
    """Calls ``talk`` with each line that it hears; counts connections and lines."""

    talk: Talk
    greeting: bytes = b""
    heard: list[bytes] = field(default_factory=list)
    links: list[socket.socket] = field(default_factory=list)
    endpoint: Endpoint = field(init=False)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            self.links.append(link)
            threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link: socket.socket) -> None:
        try:
            link.sendall(self.greeting)
            with link.makefile("rb") as requests:
                for line in requests:
                    self.heard.append(line)
                    self.talk(self, link, line)
        except (OSError, ValueError):
            return

    def close(self) -> None:
        for link in self.links:
            link.close()


Make = Callable[..., Device]
Connect = Callable[..., TcpLink]


def echo(_: Device, link: socket.socket, line: bytes) -> None:
    link.sendall(line)


def says(*pieces: bytes) -> Talk:
    def talk(_: Device, link: socket.socket, line: bytes) -> None:
        for piece in pieces:
            link.sendall(piece)

    return talk


def wait_for(look: Callable[[], object]) -> None:
    until_s = time.monotonic() + FOREVER_S
    while not look():
        assert time.monotonic() < until_s, "it never came"
        time.sleep(0.002)


def pending(link: TcpLink) -> bool:
    """Whether something, or the end, waits in the link's socket."""
    assert link._socket is not None
    link._socket.settimeout(0.0)
    try:
        link._socket.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True
