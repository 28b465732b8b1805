"""Server side of the RTDE interface of a Universal Robots controller, protocol version 2.

Reference 5.4 and the maker's RTDE guide: a header of uint16 size (header included) and uint8 type,
big endian; a client agrees on version 2, sets up what it wants to read and write, starts, and gets
data packages at the frequency it asked for until it pauses. A client that did not agree on version
2 would be served with version 1, which this server does not speak: it says so and closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field

VERSION, CONTROLLER, OUTPUTS, INPUTS = b"VvOI"
START, PAUSE, DATA, TEXT = b"SPUM"
HIGHEST_HZ = 500.0
LONGEST_RECIPE = 2048
REGISTERS = 48
ERROR_LEVEL = 1

_FORMATS = {"DOUBLE": "d", "INT32": "i", "UINT32": "I"}
_PLAIN = {
    "timestamp": "DOUBLE",
    "robot_mode": "INT32",
    "safety_mode": "INT32",
    "runtime_state": "UINT32",
}


@dataclass
class Robot:
    """What the interface shows of a robot.

    Args:
        read: Present value of a plain output by name.
        inputs: ``input_int_register_0`` to ``_47``.
        outputs: ``output_int_register_0`` to ``_47``.
        claimed: Input registers that a client writes: a second one is told ``IN_USE``.
        thawed: Nothing is sent while it is not set.
    """

    read: Callable[[str], float]
    thawed: asyncio.Event
    inputs: list[int] = field(default_factory=lambda: [0] * REGISTERS)
    outputs: list[int] = field(default_factory=lambda: [0] * REGISTERS)
    claimed: set[str] = field(default_factory=set)

    def output_type(self, name: str) -> str:
        """Type of an output; ``NOT_FOUND`` where there is none of that name."""
        if _register(name, "output_") is not None or _register(name, "input_") is not None:
            return "INT32"
        return _PLAIN.get(name, "NOT_FOUND")

    def value(self, name: str) -> float:
        """Present value of an output that has a type."""
        for bank, prefix in ((self.outputs, "output_"), (self.inputs, "input_")):
            index = _register(name, prefix)
            if index is not None:
                return bank[index]
        return self.read(name)


class RtdeSession:
    """One client.

    Args:
        robot: What it looks at.
        reader: From it.
        writer: To it.
    """

    def __init__(
        self, robot: Robot, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._robot = robot
        self._reader = reader
        self._writer = writer
        self._version = 1
        self._hz = 125.0
        self._recipe = 0
        """Number of the last recipe of either kind; 0 is none."""
        self._sent = 0
        self._outputs: list[str] = []
        self._recipes: dict[int, list[str]] = {}
        self._claimed: set[str] = set()
        self._stream: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Answers until the client goes or breaks the protocol."""
        try:
            while True:
                size, kind = struct.unpack(">HB", await self._reader.readexactly(3))
                if size < 3:
                    return
                payload = await self._reader.readexactly(size - 3)
                await self._robot.thawed.wait()
                if not self._take(kind, payload):
                    return
                await self._writer.drain()
        finally:
            self._pause()
            self._robot.claimed -= self._claimed

    def _take(self, kind: int, payload: bytes) -> bool:
        """Does what one package asks; False ends the connection."""
        if kind == VERSION and len(payload) == 2:
            accepted = payload == b"\x00\x02"
            self._version = 2 if accepted else self._version
            self._send(VERSION, bytes([accepted]))
            return True
        if kind == CONTROLLER and not payload:
            self._send(CONTROLLER, struct.pack(">4I", 5, 12, 0, 0))
            return True
        if self._version != 2:
            return self._complain("protocol version 2 only")
        match kind:
            case _ if kind == OUTPUTS and len(payload) > 8:
                self._set_up_outputs(struct.unpack_from(">d", payload)[0], payload[8:])
            case _ if kind == INPUTS and payload:
                self._set_up_inputs(payload)
            case _ if kind == START and not payload:
                self._send(START, bytes([bool(self._outputs)]))
                if self._outputs and self._stream is None:
                    self._stream = asyncio.get_running_loop().create_task(self._send_data())
            case _ if kind == PAUSE and not payload:
                self._pause()
                self._send(PAUSE, b"\x01")
            case _ if kind == DATA and payload:
                return self._write_inputs(payload)
            case _:
                return self._complain(f"package {kind} of {len(payload)} bytes not understood")
        return True

    def _set_up_outputs(self, hz: float, recipe: bytes) -> None:
        self._pause()  # a new recipe is started anew
        names = _names(recipe)
        types = [self._robot.output_type(name) for name in names]
        valid = bool(names) and "NOT_FOUND" not in types and 0.0 < hz <= HIGHEST_HZ
        self._outputs, self._hz = (names, hz) if valid and math.isfinite(hz) else ([], self._hz)
        self._sent = self._next_recipe() if self._outputs else 0
        self._send(OUTPUTS, bytes([self._sent]) + ",".join(types).encode("ascii"))

    def _set_up_inputs(self, recipe: bytes) -> None:
        names, types = _names(recipe), list[str]()
        for name in names:
            if _register(name, "input_") is None:
                types.append("NOT_FOUND")
            elif name in self._robot.claimed - self._claimed:
                types.append("IN_USE")
            else:
                types.append("INT32")
        number = 0
        if names and set(types) == {"INT32"}:
            number = self._next_recipe()
            self._recipes[number] = names
            self._claimed.update(names)
            self._robot.claimed.update(names)
        self._send(INPUTS, bytes([number]) + ",".join(types).encode("ascii"))

    def _write_inputs(self, payload: bytes) -> bool:
        names = self._recipes.get(payload[0])
        if names is None or len(payload) != 1 + 4 * len(names):
            return self._complain(f"input package of recipe {payload[0]} not understood")
        for name, value in zip(
            names, struct.unpack_from(f">{len(names)}i", payload, 1), strict=True
        ):
            self._robot.inputs[_register(name, "input_") or 0] = value
        return True

    async def _send_data(self) -> None:
        formats = "".join(_FORMATS[self._robot.output_type(name)] for name in self._outputs)
        with contextlib.suppress(ConnectionError):
            while not self._writer.is_closing():
                await self._robot.thawed.wait()
                values = [self._robot.value(name) for name in self._outputs]
                self._send(DATA, bytes([self._sent]) + struct.pack(">" + formats, *values))
                await self._writer.drain()
                await asyncio.sleep(1.0 / self._hz)

    def _next_recipe(self) -> int:
        self._recipe = self._recipe % 255 + 1
        return self._recipe

    def _pause(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
            self._stream = None

    def _complain(self, text: str) -> bool:
        said, source = text.encode("ascii"), b"RTDE"
        body = bytes([len(said)]) + said + bytes([len(source)]) + source + bytes([ERROR_LEVEL])
        self._send(TEXT, body)
        return False

    def _send(self, kind: int, payload: bytes) -> None:
        if not self._writer.is_closing():
            self._writer.write(struct.pack(">HB", 3 + len(payload), kind) + payload)


def _names(recipe: bytes) -> list[str]:
    if len(recipe) > LONGEST_RECIPE or not recipe.isascii():
        return []
    return recipe.decode("ascii").split(",")


def _register(name: str, prefix: str) -> int | None:
    """Number of ``<prefix>int_register_<number>``."""
    head, _, number = name.rpartition("_")
    if head != f"{prefix}int_register" or not number.isdigit() or int(number) >= REGISTERS:
        return None
    return int(number)
