"""A core in memory: a hot plate that can be made to lie, to be silent, to hang."""

from __future__ import annotations

import threading
from dataclasses import replace

from instruments.cores.core import Channel, Core, Identity, Show
from instruments.readout import Readout, Value
from sdl.core.errors import DeviceError, LinkError, ProtocolError


class HotPlate(Core):
    """A hot plate."""

    channels = (
        Channel("temperature_c", "degC", Show.HINTED, low=-50.0, high=1000.0),
        Channel("setpoint_c", "degC", low=0.0, high=500.0, settable=True),
        Channel("ramp_c_per_min", "degC/min", Show.CONFIG, low=0.1, high=50.0, settable=True),
        Channel("state", text=True),
        Channel("secret", show=Show.OMITTED),
    )
    stop_action = "The heater goes off."

    def __init__(self, name: str = "plate") -> None:
        super().__init__(name)
        self.values: dict[str, Value] = {
            "temperature_c": 21.5,
            "setpoint_c": 20.0,
            "ramp_c_per_min": 5.0,
            "state": "idle",
            "secret": 1.0,
        }
        self.error: DeviceError | None = None
        self.let_go = threading.Event()
        self.let_go.set()
        self.asked: list[str] = []
        self.stops = 0
        self.age_s = 0.0

    def identify(self) -> Identity:
        self._reach()
        return Identity("HP-1", "1234", "2.0")

    def fetch(self, channel: str) -> Value:
        self.asked.append(channel)
        self._reach()
        return self.values[channel]

    def read(self, channel: str) -> Readout:
        return replace(super().read(channel), age_s=self.age_s)

    def assign(self, channel: str, value: Value) -> None:
        self._reach()
        self.values[channel] = value

    def stop(self) -> None:
        self._reach()
        self.stops += 1

    def close(self) -> None:
        """Nothing to let go."""

    def _reach(self) -> None:
        self.let_go.wait(30.0)
        if self.error is not None:
            raise self.error


SILENT = LinkError("plate does not answer", got="nothing", where="plate")
BROKEN = ProtocolError("plate reports a broken sensor", got="bit 5", where="plate")
