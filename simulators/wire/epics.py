"""A soft IOC of a furnace: caproto on loopback, its records computed from the virtual world."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from caproto import AlarmSeverity, AlarmStatus, ChannelType
from caproto.asyncio.server import Context
from caproto.asyncio.utils import _TransportWrapper
from caproto.server import PVGroup, pvproperty
from pydantic import ConfigDict, field_validator

from sdl.core.errors import BusyError, ConfigError, DeviceError
from sdl.core.lab import EndpointText, LabStation
from sdl.core.model import Frozen
from simulators.wire.epics_program import SoftFurnace
from simulators.wire.plant import Plant
from simulators.wire.server import WireSimulator

UPDATE_S = 0.1
"""Wall time between two updates of what monitors see, s; reads are computed anew."""

# Refused puts are told to the client; with no handler at all, tracebacks would go to stderr too.
logging.getLogger("caproto").addHandler(logging.NullHandler())

Value = float | str


class EpicsSettings(Frozen):
    """What the simulator needs to know; what concerns the driver only is ignored."""

    model_config = ConfigDict(extra="ignore")

    address: EndpointText
    prefix: str

    @field_validator("address", mode="before")
    @classmethod
    def _with_scheme(cls, value: object) -> object:
        plain = isinstance(value, str) and "://" not in value
        return f"tcp://{value}" if plain else value


async def _show(record: Any, value: Value) -> None:
    """Gives a record its value, for readers and monitors; NaN is invalid."""
    invalid = isinstance(value, float) and math.isnan(value)
    unchanged = record.value == value or (invalid and math.isnan(record.value))
    if unchanged and (record.severity == AlarmSeverity.INVALID_ALARM) is invalid:
        return
    # Not verified: caproto would take the value for a put.
    await record.write(
        value,
        verify_value=False,
        status=AlarmStatus.READ if invalid else AlarmStatus.NO_ALARM,
        severity=AlarmSeverity.INVALID_ALARM if invalid else AlarmSeverity.NO_ALARM,
    )


def _record(
    name: str,
    of: Callable[[SoftFurnace], Value],
    put: Callable[[SoftFurnace, Any], None] | None = None,
    **settings: Any,
) -> Any:
    """A record that shows what the furnace says and, where it has ``put``, hands puts to it."""

    async def read(self: Any, instance: Any) -> None:
        await _show(instance, of(self.furnace))

    async def write(self: Any, instance: Any, value: Any) -> Value:
        try:
            if put is not None:
                put(self.furnace, value)
        except (BusyError, DeviceError) as err:
            raise ValueError(err.what) from err
        # Before the put is acknowledged: whoever waits for the edge must not miss it.
        await _show(self.moving, self.furnace.moving())
        self.dirty.set()
        return of(self.furnace)

    if put is None:
        return pvproperty(name=name, get=read, read_only=True, **settings)
    return pvproperty(name=name, get=read, put=write, **settings)


def _program(name: str) -> Any:
    text = name in ("GAS", "COOL")
    return _record(
        f"PROG:{name}",
        lambda furnace: furnace.program[name],
        lambda furnace, value: furnace.put_program(name, value),
        **({"value": "", "dtype": ChannelType.STRING} if text else {"value": 0.0}),
    )


_TEXT: dict[str, Any] = {"value": "", "dtype": ChannelType.STRING}
_CELSIUS: dict[str, Any] = {"value": 25.0, "units": "degC", "precision": 2}


class FurnaceRecords(PVGroup):
    """The PVs; see ``instruments.cores.epics_furnace`` for what each means.

    Args:
        prefix: Of their names.
        furnace: What they stand for.
    """

    def __init__(self, prefix: str, furnace: SoftFurnace) -> None:
        self.furnace = furnace
        self.dirty = asyncio.Event()
        super().__init__(prefix=prefix)

    async def show_all(self) -> None:
        """Brings every record up to date."""
        records: Any = self.pvdb.values()
        for record in records:
            await record.getter(record)

    sp = _record("SP", SoftFurnace.setpoint_c, SoftFurnace.put_setpoint, **_CELSIUS)
    rbv = _record("RBV", SoftFurnace.reading_c, **_CELSIUS)
    ramp = _record("RAMP", lambda f: f.ramp_c_per_min, SoftFurnace.put_ramp, value=600.0)
    moving = _record("MOVING", SoftFurnace.moving, value=0)
    halt = _record("STOP", lambda _: 0, lambda f, v: f.stop() if v else None, value=0)
    boot = _record("BOOT", lambda f: f.boot, **_TEXT)
    goal = _program("T")
    dwell = _program("DWELL")
    rate = _program("RATE")
    gas = _program("GAS")
    cooling = _program("COOL")
    tag = _record("PROG:TAG", lambda f: f.tag, SoftFurnace.put_tag, **_TEXT)
    go = _record("PROG:RUN", lambda _: "", SoftFurnace.put_run, **_TEXT)
    state = _record("PROG:STATE", SoftFurnace.state, **_TEXT)
    segment = _record("PROG:SEG", lambda f: f.look().segment, value=0)
    left = _record("PROG:LEFT", SoftFurnace.left_s, value=0.0, units="s")
    ran = _record("PROG:RAN", SoftFurnace.ran_s, value=0.0, units="s")
    soak = _record("PROG:SOAKT", lambda f: f.shown("thermocouple_c"), **_CELSIUS)
    energy = _record("PROG:KWH", lambda f: f.shown("energy_kwh"), value=0.0, units="kWh")


class LoopbackIoc(Context):
    """caproto's server without its own listening: TCP by the simulator, UDP on the same port.

    Beacons, which by default go to every broadcast address of the machine, are not sent.
    """

    def __init__(self, records: FurnaceRecords) -> None:
        super().__init__(records.pvdb, ["127.0.0.1"])

    async def search_on(self, port: int) -> None:
        """Answers searches by UDP; clients are told the same port for TCP.

        Raises:
            OSError: The UDP port is taken.
        """
        self.port = self.ca_server_port = port
        await self._create_broadcaster_transport("127.0.0.1")

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, until it goes."""
        transport = _TransportWrapper(reader, writer)
        before = set(self.circuits)
        try:
            await self.tcp_handler(transport, transport.getpeername())
        finally:
            for circuit in set(self.circuits) - before:
                self.circuits.discard(circuit)
                await circuit.tasks.cancel_all()

    async def serve(self) -> None:
        """Answers searches and monitors until it is cancelled."""
        await asyncio.gather(
            self.broadcaster_receive_loop(),
            self.broadcaster_queue_loop(),
            self.subscription_queue_loop(),
        )

    def close(self) -> None:
        """Closes the UDP socket."""
        for sock in self.udp_socks.values():
            sock.close()
        self.udp_socks.clear()


class EpicsFurnaceSimulator(WireSimulator):
    """The IOC of one furnace, on 127.0.0.1 only, with a port of its own for searches and circuits.

    ``SP`` put by hand heats an empty furnace; with vials inside it is refused, because the virtual
    world heats them by programs only. ``STOP`` ends a program, and the furnace then cools at
    2 degC/min; without a program it holds the present temperature. A reboot brings ``SP`` = 25, no
    program and another ``BOOT``. No autosave.
    """

    def __init__(self, plant: Plant, station: LabStation) -> None:
        super().__init__(plant, station)
        self.wiring = EpicsSettings.model_validate(self.settings)
        self.furnace = SoftFurnace(plant, station)
        self._records: FurnaceRecords | None = None
        self._ioc: LoopbackIoc | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listens for circuits and searches.

        Raises:
            ConfigError: The port is taken, or not on loopback.
        """
        self._records = FurnaceRecords(self.wiring.prefix, self.furnace)
        self._ioc = LoopbackIoc(self._records)
        taken = await self.listen(str(self.wiring.address), self._ioc.talk)
        try:
            await self._ioc.search_on(int(taken.rpartition(":")[2]))
        except OSError as err:
            await super().stop()
            raise ConfigError(
                "a simulator cannot listen",
                got=f"UDP of {taken}: {err.strerror}",
                do="another port",
            ) from err
        self.settings["address"] = taken
        await self._records.sp.write_metadata(
            lower_ctrl_limit=0.0, upper_ctrl_limit=self.furnace.highest_c
        )
        self._tasks = [
            asyncio.create_task(self._ioc.serve()),
            asyncio.create_task(self._update(self._records)),
        ]

    async def stop(self) -> None:
        """Closes every circuit and stops listening."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await super().stop()
        if self._ioc is not None:
            self._ioc.close()

    def reboot(self) -> None:
        """The IOC and the furnace's controller restart: the program is lost."""
        self.furnace.lose_power()
        super().reboot()

    async def _update(self, records: FurnaceRecords) -> None:
        """Shows monitors what changed, and at once after a put."""
        while True:
            records.dirty.clear()
            if not self.frozen:
                await records.show_all()
            # Not `wait_for`, which in Python 3.11 may swallow the cancellation that ends this loop.
            with suppress(TimeoutError):
                async with asyncio.timeout(UPDATE_S):
                    await records.dirty.wait()
