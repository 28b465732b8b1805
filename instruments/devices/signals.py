"""Signals that show what a driver says, with units, and statuses with a deadline."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol, cast

from ophyd import Device, Signal
from ophyd.ophydobj import OphydObject
from ophyd.status import Status

DEADLINE_S = 5.0
"""Wall time within which a device must answer; laboratory durations never count here."""


class Shows(Protocol):
    """A device that knows the values of its signals."""

    def value_of(self, signal: str) -> Any:
        """The value of the signal of that attribute name; ``None`` while there is none."""
        ...


class AnsweredStatus(Status):
    """The status of an order the device answered before the call returned.

    It is finished when it is handed over, so its deadline cannot pass any more and needs no
    watching thread; a face whose device answers later returns an ordinary status with a timeout.
    """

    def __init__(self, obj: OphydObject) -> None:
        self._of = obj.name
        super().__init__(obj=obj)
        self.set_finished()

    def __repr__(self) -> str:
        # ophyd's own text walks through the whole device, for every status, for tracing.
        return f"AnsweredStatus({self._of})"

    __str__ = __repr__

    @property
    def timeout(self) -> float:
        """The deadline the answer was held to, s."""
        return DEADLINE_S


class Shown(Signal):
    """A read-only signal whose value its device knows.

    Args:
        units: Unit of the value, empty for text.
        text: Whether the value is text.
        limits: Lowest and highest value, for ``describe``.
        kwargs: As for ``ophyd.Signal``.
    """

    def __init__(
        self,
        *,
        units: str = "",
        text: bool = False,
        limits: tuple[float, float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        key: dict[str, Any] = {
            "source": f"SIM:{self.name}",
            "dtype": "string" if text else "number",
            "shape": [],
        }
        if units:
            key["units"] = units
        if not text:
            key["precision"] = 6
        if limits is not None:
            key["lower_ctrl_limit"], key["upper_ctrl_limit"] = limits
        self._key: Mapping[str, Any] = key

    def get(self, **kwargs: Any) -> Any:
        """The value now; ``None`` where the device has none, never a stand-in."""
        return cast(Shows, self.parent).value_of(self.attr_name)

    def put(self, value: Any, **kwargs: Any) -> None:
        """Refused: the signal shows what the device says."""
        raise TypeError(f"{self.name} cannot be set")

    def read(self) -> dict[str, dict[str, Any]]:
        """The value with the wall time of this reading."""
        return {self.name: {"value": self.get(), "timestamp": time.time()}}

    def describe(self) -> dict[str, dict[str, Any]]:
        """Source, type, units and limits; without asking the device."""
        return {self.name: dict(self._key)}


class Described(Device):
    """A device whose description does not change while it lives, so that it is made once."""

    _description: Any = None

    def describe(self) -> Any:
        """Description of every read signal, by name."""
        if self._description is None:
            self._description = dict(super().describe())
        return {name: dict(key) for name, key in self._description.items()}
