"""The laboratory file: stations, drivers, limits, interlocks, controls, lots.

The models are here so that drivers and simulators read the same file; what a driver's ``settings``
mean is checked by the driver (``instruments.registry``) and by its simulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, GetPydanticSchema, model_validator
from pydantic_core import core_schema

from sdl.core.capabilities import Capabilities, Station
from sdl.core.material import Lot
from sdl.core.model import Frozen, SafeId
from sdl.core.units import Milligram

_ENDPOINT = re.compile(
    r"tcp://(?P<host>[A-Za-z0-9][A-Za-z0-9.\-]{0,252}|\[::1\]):(?P<port>\d{1,5})"
)
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class Endpoint(Frozen):
    """Where a device listens: ``tcp://host:port``."""

    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    """0 in a simulated laboratory: any free one."""

    @classmethod
    def of(cls, text: str) -> Self:
        """The endpoint of a text.

        Raises:
            ValueError: It is none.
        """
        match = _ENDPOINT.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError("not an endpoint; allowed: tcp://host:port")
        return cls(host=match["host"], port=int(match["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can be meant."""
        return self.host in LOOPBACK

    def __str__(self) -> str:
        return f"tcp://{self.host}:{self.port}"


def _endpoint_schema(_source: Any, _handler: Any) -> core_schema.CoreSchema:
    def read(value: object) -> Endpoint:
        if isinstance(value, Endpoint):
            return value
        if not isinstance(value, str):
            raise ValueError("not an endpoint; allowed: tcp://host:port")
        return Endpoint.of(value)

    return core_schema.no_info_before_validator_function(
        read,
        core_schema.is_instance_schema(Endpoint),
        serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="always"),
    )


EndpointText = Annotated[
    Endpoint,
    GetPydanticSchema(
        _endpoint_schema,
        lambda _core, _handler: {"type": "string", "pattern": "^tcp://[^/]+:[0-9]+$"},
    ),
]
"""An endpoint as it stands in a file: ``tcp://127.0.0.1:502``."""


def with_endpoints(settings: Any, change: Callable[[str], str]) -> Any:
    """Settings of a station with every endpoint changed, at whatever depth it stands."""
    if isinstance(settings, Mapping):
        inside = cast(Mapping[str, Any], settings)
        return {key: with_endpoints(each, change) for key, each in inside.items()}
    if isinstance(settings, str) and settings.startswith("tcp://"):
        return change(settings)
    return settings


class LabStation(Station):
    """A station and the driver that runs it."""

    driver: SafeId
    """Name in ``instruments.registry``, as ``eurotherm``."""
    settings: dict[str, Any] = Field(default_factory=dict[str, Any])
    """What the driver needs to know: endpoints, maps, programs."""

    def plain(self) -> Station:
        """The station as policies see it."""
        return Station(**self.model_dump(exclude={"driver", "settings"}))


class Interlock(Frozen):
    """A condition that stops; it stays tripped until a person resets it."""

    name: SafeId
    watch: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.\-]{1,64}\.[a-z0-9_]{1,64}$")]
    """``station.channel``, as ``furnace_1.temperature_c``."""
    above: float | None = None
    below: float | None = None
    stale_s: Annotated[float, Field(gt=0)] | None = None
    """Trips too when no valid reading came for so long, wall time, s."""
    stop: Literal["station", "laboratory"] = "station"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.above is None and self.below is None and self.stale_s is None:
            raise ValueError("an interlock needs a condition; allowed: above, below, stale_s")
        return self


class Control(Frozen):
    """A check of an instrument on something known, every so many uses; drift quarantines it."""

    name: SafeId
    station: SafeId
    kind: Literal["check-weight", "reference-pattern", "empty-crucible"]
    every: Annotated[int, Field(ge=1)]
    """Uses of the station between two checks."""
    expect: float
    """What the check must find: mg of the weight, degrees of the reference line, mg of change."""
    tolerance: Annotated[float, Field(gt=0)]


class Simulated(Frozen):
    """What stands behind the simulators of this file: ``sdl sim up``."""

    task: str
    """Task whose chemistry and bottles the virtual world has."""
    laboratory: Annotated[int, Field(ge=0, lt=100_000)] = 0
    """Which hidden laboratory is drawn, as in a campaign file."""


class LabFile(Frozen):
    """One laboratory."""

    name: SafeId
    real: bool = False
    """Whether real instruments stand behind it; needs a commissioning record of every station."""
    clock_scale: Annotated[float, Field(gt=0, le=100_000)] = 1.0
    """Laboratory seconds in a second: 1 in reality. Transport deadlines are never scaled."""
    poll_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Wall time between two looks at a device that works, s."""
    patience_s: Annotated[float, Field(gt=0)] = 600.0
    """Wall time that a device may be silent before its station is quarantined, s."""
    stations: Annotated[tuple[LabStation, ...], Field(min_length=1)]
    shelf: tuple[Lot, ...] = ()
    """Bottles; the task's if there are none."""
    vial_capacity_mg: Milligram = 5_000.0
    interlocks: tuple[Interlock, ...] = ()
    controls: tuple[Control, ...] = ()
    simulated: Simulated | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [s.name for s in self.stations]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ValueError(f"the station {twice} stands twice; allowed: each name once")
        for other in (*self.interlocks, *self.controls):
            station = (
                other.watch.rpartition(".")[0] if isinstance(other, Interlock) else other.station
            )
            if station not in names:
                raise ValueError(
                    f"{other.name} is about {station}, which is no station; allowed: "
                    + ", ".join(names)
                )
        if self.real and self.clock_scale != 1.0:
            raise ValueError("a real laboratory has a real clock; allowed: clock_scale: 1")
        if self.real and self.simulated is not None:
            raise ValueError("a laboratory is real or simulated; allowed: one of the two keys")
        return self

    def station(self, name: str) -> LabStation:
        """The station of that name.

        Raises:
            KeyError: There is none.
        """
        for station in self.stations:
            if station.name == name:
                return station
        raise KeyError(name)

    def capabilities(self, shelf: tuple[Lot, ...]) -> Capabilities:
        """What policies see; ``shelf`` stands in where the file names no bottles."""
        return Capabilities(
            name=self.name,
            stations=tuple(s.plain() for s in self.stations),
            shelf=self.shelf or shelf,
            vial_capacity_mg=self.vial_capacity_mg,
        )
