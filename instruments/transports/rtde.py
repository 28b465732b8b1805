"""Registers of a robot's program over RTDE, read and written on demand."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from instruments.protocols import rtde
from instruments.protocols.rtde import Kind, MissingRegisterError, Recipe
from instruments.transports.stream import StreamLink, Turn
from sdl.core.errors import DeviceError
from sdl.core.lab import Endpoint


class RegisterLink:
    """The INT32 registers of one robot.

    The stream is started for one packet and paused again: an idle link costs nothing. The
    connection stays, for a controller gives input registers to one client at a time and takes
    them back when it goes.

    Args:
        name: Instrument, for messages.
        endpoint: Where the controller listens.
        outputs: Registers to read.
        inputs: Registers to write; they are read back where the controller shows them.
        deadline_s: Wall time for one call, s.
    """

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        *,
        outputs: Sequence[str],
        inputs: Sequence[str],
        deadline_s: float,
    ) -> None:
        self.name = name
        self._link = StreamLink(name, endpoint, rtde.frame, deadline_s=deadline_s)
        self._outputs = tuple(outputs)
        self._inputs = tuple(inputs)
        self._connection = 0
        self._out: Recipe | None = None
        self._in: Recipe | None = None

    def read(self) -> dict[str, int]:
        """All output registers, from one packet.

        Raises:
            LinkError: No answer.
            ProtocolError: Nonsense.
            DeviceError: The controller refuses.
        """
        with self._link.turn() as turn:
            return self._sample(turn, self._set_up(turn))

    def write(self, values: Mapping[str, int]) -> None:
        """Writes all input registers and reads them back.

        Raises:
            LinkError: No answer: what the registers hold is not known.
            ProtocolError: Nonsense.
            DeviceError: The controller refuses, or holds other values at the deadline.
        """
        with self._link.turn() as turn:
            out = self._set_up(turn)
            if self._in is None:
                turn.send(rtde.ask_inputs(self._inputs))
                answer = self._await(turn, Kind.INPUTS)
                self._in = rtde.read_recipe(answer, self._inputs, self.name)
            packet = rtde.data(self._in, [values[name] for name in self._inputs])
            while True:
                # The controller answers nothing; to write the same values again is harmless.
                turn.send(packet)
                held = self._sample(turn, out)
                differ = {n: v for n, v in values.items() if held.get(n, v) != v}
                if not differ:
                    return
                if time.monotonic() > turn.until_s - self._link.deadline_s / 2:
                    raise DeviceError(
                        f"{self.name} holds other input registers than were written",
                        got={name: held[name] for name in differ},
                        allowed=differ,
                        do="nothing was started; look at the arm's controller",
                        where=self.name,
                    )

    def controller(self) -> str:
        """Version of the controller's software. Raises as ``read``."""
        with self._link.turn() as turn:
            self._set_up(turn)
            turn.send(rtde.request(Kind.CONTROLLER))
            return rtde.read_controller(self._await(turn, Kind.CONTROLLER), self.name)

    def close(self) -> None:
        """Closes the connection."""
        self._link.close()

    def _set_up(self, turn: Turn) -> Recipe:
        """The output recipe of this connection."""
        if self._out is not None and self._connection == self._link.connections:
            return self._out
        self._out = self._in = None
        turn.send(rtde.ask_version())
        self._require(turn, Kind.VERSION, f"protocol version {rtde.VERSION}")
        try:
            self._out = self._recipe(turn, (*self._outputs, *self._inputs))
        except MissingRegisterError:
            # Older controllers do not show the upper input registers among the outputs.
            self._out = self._recipe(turn, self._outputs)
        self._connection = self._link.connections
        return self._out

    def _recipe(self, turn: Turn, names: Sequence[str]) -> Recipe:
        turn.send(rtde.ask_outputs(names))
        return rtde.read_recipe(self._await(turn, Kind.OUTPUTS), names, self.name)

    def _sample(self, turn: Turn, out: Recipe) -> dict[str, int]:
        """Starts the stream, takes its first packet, pauses the stream."""
        turn.send(rtde.request(Kind.START))
        self._require(turn, Kind.START, "the start of the stream")
        values = rtde.read_data(self._await(turn, Kind.DATA), out, self.name)
        turn.send(rtde.request(Kind.PAUSE))
        self._require(turn, Kind.PAUSE, "the pause of the stream")
        return values

    def _require(self, turn: Turn, kind: Kind, what: str) -> None:
        if not rtde.is_accepted(self._await(turn, kind), self.name):
            raise DeviceError(
                f"the controller of {self.name} refuses {what}",
                do="look at the arm's controller",
                where=self.name,
            )

    def _await(self, turn: Turn, kind: Kind) -> bytes:
        """The next packet of a kind; texts may come at any time, data until a pause is answered."""
        passed = {Kind.TEXT, Kind.DATA} - {kind}
        while True:
            packet = turn.receive()
            if rtde.kind_of(packet) is kind:
                return packet
            if rtde.kind_of(packet) not in passed:
                raise rtde.wrong(packet, f"a packet of type {kind.name}", self.name)
