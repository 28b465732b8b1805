"""A Modbus TCP device: registers in and out, each write read back by whoever needs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from pymodbus.pdu import ModbusPDU

from instruments.protocols import modbus
from instruments.transports.tcp import DEADLINE_S, FIRST_PAUSE_S, TcpLink
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint

Span = tuple[int, int]
"""First register and count."""


def insist(step: Callable[[float], None], link: TcpLink, within_s: float) -> None:
    """Repeats a safe action that failed, while time is left: to say it twice is harmless.

    Args:
        step: The action; told when it must begin no further exchange (monotonic time, s).
        link: Its back-off is skipped: a stop does not wait.
        within_s: Wall time after which the action is not begun again, s.

    Raises:
        DeviceError: The last failure.
    """
    until_s = time.monotonic() + within_s
    while True:
        link.hurry()
        try:
            step(until_s)
        except DeviceError:
            time.sleep(FIRST_PAUSE_S)
            if time.monotonic() >= until_s:
                raise
        else:
            return


def is_refusal(err: ProtocolError) -> bool:
    """Whether the device answered with an exception: it is in step, and does not do this."""
    return "refused" in err.what


class ModbusLink:
    """One Modbus unit behind one TCP connection.

    Every method raises ``LinkError`` without an answer in time and ``ProtocolError`` on a wrong one
    or on an exception of the device.

    Args:
        name: Instrument, for messages.
        endpoint: Where the device or its gateway listens.
        unit: Number of the device behind it.
        deadline_s: Wall time for one exchange, s.
    """

    def __init__(
        self, name: str, endpoint: Endpoint, *, unit: int = 1, deadline_s: float = DEADLINE_S
    ) -> None:
        self.name = name
        self.link = TcpLink(name, endpoint, deadline_s=deadline_s)
        self._unit = unit
        self._transaction = 0
        self._counting = threading.Lock()
        self._seen = threading.local()
        self._apart: set[Span] = set()

    def read(self, address: int, count: int = 1) -> list[int]:
        """Holding registers, 0 to 65535 each."""
        seen: dict[int, int] = getattr(self._seen, "registers", {})
        if seen and all(address + k in seen for k in range(count)):
            return [seen[address + k] for k in range(count)]
        return self._ask(modbus.read_registers(address, count))

    @contextmanager
    def snapshot(self, *groups: Sequence[Span]) -> Iterator[None]:
        """Reads holding registers once; what this thread reads inside comes from them.

        A group is read in one request from its first register to its last, with what lies between.
        A device that refuses that is asked for each span from then on; what it does not give is
        left out: those registers are then read one by one, each with its own error.

        Args:
            groups: Spans that lie within 125 registers of each other.
        """
        registers: dict[int, int] = {}
        try:
            for group in groups:
                try:
                    self._read_group(group, registers)
                except LinkError:
                    break
            self._seen.registers = registers
            yield
        finally:
            self._seen.registers = {}

    def _read_group(self, group: Sequence[Span], registers: dict[int, int]) -> None:
        first = min(start for start, _ in group)
        whole = (first, max(start + count for start, count in group) - first)
        if whole not in self._apart:
            try:
                registers.update(self._read_span(whole))
                return
            except ProtocolError as err:
                if not is_refusal(err):
                    return
                self._apart.add(whole)
        for span in group if len(group) > 1 else ():
            try:
                registers.update(self._read_span(span))
            except ProtocolError:
                continue

    def _read_span(self, span: Span) -> Iterator[tuple[int, int]]:
        first, count = span
        values = self._ask(modbus.read_registers(first, count))
        return zip(range(first, first + count), values, strict=True)

    def read_inputs(self, address: int, count: int = 1) -> list[int]:
        """Input registers, 0 to 65535 each."""
        return self._ask(modbus.read_inputs(address, count))

    def read_coils(self, address: int, count: int = 1) -> list[int]:
        """Coils, 0 or 1 each."""
        return self._ask(modbus.read_coils(address, count))

    def read_contacts(self, address: int, count: int = 1) -> list[int]:
        """Discrete inputs, 0 or 1 each."""
        return self._ask(modbus.read_contacts(address, count))

    def read_float(self, address: int) -> float:
        """Two registers as a float, high word first."""
        return modbus.float32(self.read(address, 2))

    def write(self, address: int, value: int) -> None:
        """One holding register."""
        self._ask(modbus.write_register(address, value))

    def write_many(self, address: int, values: Sequence[int]) -> None:
        """Consecutive holding registers in one request."""
        self._ask(modbus.write_registers(address, values))

    def write_coil(self, address: int, on: bool) -> None:
        """One coil."""
        self._ask(modbus.write_coil(address, on))

    def close(self) -> None:
        """Closes the connection; the next exchange opens it again."""
        self.link.close()

    def _ask(self, request: ModbusPDU) -> list[int]:
        with self._counting:
            self._transaction = self._transaction % 65535 + 1
            transaction = self._transaction
        sent = modbus.encode(request, self._unit, transaction)
        try:
            answer = self.link.exchange(sent, modbus.frame)
            return modbus.decode(answer, request, self._unit, transaction, self.name)
        except ProtocolError as err:
            if not is_refusal(err):
                # Out of step with the device: the next exchange starts on a new connection.
                self.link.close()
            raise
