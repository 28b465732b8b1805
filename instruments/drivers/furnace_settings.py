"""Settings of a furnace station with a Eurotherm controller."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from instruments.protocols.eurotherm import MAPS
from sdl.core.lab import EndpointText
from sdl.core.model import Frozen, SafeId
from sdl.core.recipe import Gas


class DoorSettings(Frozen):
    """The door of the furnace."""

    link: EndpointText
    name: SafeId
    """In its controller, as ``A``."""
    opens_hot: bool = False
    """Whether it may be opened while the furnace is hot and no program is at work."""


class EurothermSettings(Frozen):
    """Settings of a station with the driver ``eurotherm``."""

    link: EndpointText
    unit: Annotated[int, Field(ge=0, le=255)] = 1
    model: Literal["epc3000", "2400"]
    gas_events: dict[Gas, Annotated[int, Field(ge=0, le=255)]]
    """Event outputs that set each gas, as the controller's segments hold them."""
    door: DoorSettings | None = None
    opens_hot: bool = False
    """Without a door of ours: whether the arm may reach in while it is hot and no program runs."""
    open_below_c: float = 60.0
    """Temperature below which the furnace counts as cold, degC."""
    lowest_c: float = 0.0
    """SPLowLimit, and the setpoint of the safe state, degC."""
    decimals: Annotated[int, Field(ge=0, le=2)] = 1
    """Decimals of the temperatures of a controller without floats, by its configuration."""
    time_unit: Literal["s", "min", "h"] | None = None
    """Unit of its time registers; asked of the controller if not said. The coding of the EPC's
    TimeFormat is not public (taken for that of RampUnits), so say it for a real one."""
    watchdog_s: Annotated[float, Field(gt=0)] | None = None
    """Arms the controller's comms watchdog (epc3000 only); needs ``watchdog_action``."""
    watchdog_action: Annotated[int, Field(ge=0, le=255)] | None = None
    """Value of WDAction. What each value means is not public and was not verified."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.gas_events.values())) < len(self.gas_events):
            raise ValueError("two gases have the same event code; allowed: a code for each gas")
        if self.opens_hot and self.door is not None:
            raise ValueError("opens_hot stands beside a door; allowed: opens_hot of the door")
        if (self.watchdog_s is None) is not (self.watchdog_action is None):
            raise ValueError("allowed: watchdog_s and watchdog_action together, or neither")
        if self.watchdog_s is not None and MAPS[self.model].watchdog_timeout is None:
            raise ValueError("this model has no comms watchdog; allowed: epc3000")
        return self
