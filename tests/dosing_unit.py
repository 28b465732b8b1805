"""A scripted balance with a dosing unit on a socket; doses end when the test says so."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from golden import mt_sics as golden
from sdl.core.lab import Endpoint

VIAL_MG = 12_000.0


@dataclass
class DosingUnit:
    """Answers as section 5.2 says. Faults are scripted by ``says`` and the switches."""

    gross_mg: float = VIAL_MG
    drift_mg: float = 0.0
    """Added to every further reading."""
    door: str = "2"
    door_runs: int = 0
    """Looks at the door for which it still runs after a command."""
    pin_locked: bool = False
    target_mg: float = 0.0
    dosing: bool = False
    loses_end: bool = False
    """Whether the line that tells the end goes astray."""
    frozen: bool = False
    begins_late: bool = False
    """Whether ``QRA 60 ..`` is answered by B, then A."""
    says: dict[str, list[bytes]] = field(default_factory=dict)
    """Answers by command, each used once, instead of the usual one; empty for none."""
    heard: list[str] = field(default_factory=list)
    zero_mg: float = 0.0
    _link: socket.socket | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _links: list[socket.socket] = field(default_factory=list)

    @property
    def starts(self) -> int:
        """How often a dose was asked for."""
        return self.heard.count("QRA 61 1")

    def finish(self, share: float = 1.0, end: bytes = golden.DOSED) -> None:
        """Lets a share of the target fall and ends the dose."""
        with self._lock:
            assert self.dosing, "nothing runs"
            self.gross_mg += share * self.target_mg
            self.dosing = False
            if self._link is not None and not self.loses_end:
                with suppress(OSError):
                    self._link.sendall(end)

    def cut(self) -> None:
        """Breaks every connection."""
        with self._lock:
            for link in self._links:
                with suppress(OSError):
                    link.shutdown(socket.SHUT_RDWR)

    def serve(self, listener: socket.socket) -> None:
        """Answers every connection in a thread of its own."""
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            self._links.append(link)
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link: socket.socket) -> None:
        with link, suppress(OSError, ValueError), link.makefile("rb") as lines:
            for line in lines:
                with self._lock:
                    answer = self._answer(line.decode("ascii").removesuffix("\r\n"), link)
                    if not self.frozen:
                        link.sendall(answer)

    def _answer(self, line: str, link: socket.socket) -> bytes:
        self.heard.append(line)
        if self.says.get(line):
            return self.says[line].pop(0)
        if line == "SI":
            return self._weight()
        if line == "Z":
            self.zero_mg = self.gross_mg
            return golden.ZEROED
        if line in ("I4", "@"):
            return golden.SERIAL
        if line == "I2":
            return b'I2 B "XPE206"\r\nI2 A "220.00000 g"\r\n'
        if line == "QRD 2 3 7":
            return self._door()
        if line == "QRA 61 1":
            return self._start(link)
        if line.startswith(("QRA 60 7 ", "QRA 60 2 ")):
            return self._move(line)
        if line.startswith("QRD 1 1 "):
            if line.startswith("QRD 1 1 5 "):
                self.target_mg = float(line.split()[-1])
            return f"{line.rpartition(' ')[0]} A\r\n".encode()
        return golden.SYNTAX

    def _weight(self) -> bytes:
        if self.dosing:
            return golden.NOT_EXECUTABLE
        self.gross_mg += self.drift_mg
        return f"S S {(self.gross_mg - self.zero_mg) / 1000.0:10.5f} g\r\n".encode()

    def _door(self) -> bytes:
        if self.dosing:
            return b"QRD 2 3 7 I 2\r\n"
        if self.door_runs > 0:
            self.door_runs -= 1
            return b"QRD 2 3 7 9 A\r\n"
        return f"QRD 2 3 7 {self.door} A\r\n".encode()

    def _move(self, line: str) -> bytes:
        command = line.rpartition(" ")[0]
        if self.dosing:
            return f"{command} I 2\r\n".encode()
        if command == "QRA 60 7":
            self.door = line[-1]
        else:
            self.pin_locked = line[-1] == "4"
        begun = f"{command} B\r\n" if self.begins_late else ""
        return f"{begun}{command} A\r\n".encode()

    def _start(self, link: socket.socket) -> bytes:
        if self.dosing:
            return golden.BUSY
        if self.door != "2" or not self.pin_locked:
            return golden.NOT_ALLOWED
        self.dosing, self._link = True, link
        return golden.STARTED


@contextmanager
def listening(unit: DosingUnit) -> Iterator[Endpoint]:
    """The unit on a port of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=unit.serve, args=(listener,), daemon=True)
        thread.start()
        yield Endpoint(host="127.0.0.1", port=listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)
        unit.cut()
