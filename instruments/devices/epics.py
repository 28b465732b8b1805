"""A furnace behind an EPICS IOC as PVs, for beamlines that want PVs: classic ophyd, no driver core.

PVs below the prefix: ``SP``, ``RBV``, ``RAMP``, ``STOP``, ``MOVING``, ``BOOT``, and the program's
``PROG:STATE`` and ``PROG:LEFT``, as ``simulators.wire.epics`` serves them. Campaigns use the driver
``epics-furnace``, which checks limits and recognises its program after a crash.
"""

from __future__ import annotations

import math
import threading
from typing import Any

from ophyd import Component as Cpt
from ophyd import EpicsSignal, EpicsSignalRO, Kind, PVPositioner

ANSWER_S = 2.0
"""Wall time within which a PV must answer, s."""
SPARE_S = 30.0
"""Wall time that a move may take longer than its ramp, s, after a margin of a fifth."""


class EpicsFurnace(PVPositioner):
    """Setpoint and thermocouple of a furnace; ``set`` is done when the ramp has arrived.

    A plain ``PVPositioner`` waits for an edge of ``MOVING`` and so for ever when it is sent where
    it is. This one also looks once the setpoint is taken. Every move has a time limit: its ramp, a
    fifth more and ``SPARE_S``. ``stop`` writes 1 to ``STOP``: a running program ends, the furnace
    holds its temperature or cools, as its IOC does it; it waits for no answer.
    """

    setpoint = Cpt(EpicsSignal, "SP", timeout=ANSWER_S, write_timeout=ANSWER_S)
    readback = Cpt(EpicsSignalRO, "RBV", kind=Kind.hinted, timeout=ANSWER_S)
    done = Cpt(EpicsSignalRO, "MOVING", kind=Kind.omitted, timeout=ANSWER_S)
    done_value = 0
    stop_signal = Cpt(EpicsSignal, "STOP", kind=Kind.omitted, write_timeout=ANSWER_S)
    stop_value = 1
    ramp_c_per_min = Cpt(EpicsSignal, "RAMP", kind=Kind.config, timeout=ANSWER_S)
    boot = Cpt(EpicsSignalRO, "BOOT", kind=Kind.config, string=True, timeout=ANSWER_S)
    program_state = Cpt(EpicsSignalRO, "PROG:STATE", string=True, timeout=ANSWER_S)
    program_left_s = Cpt(EpicsSignalRO, "PROG:LEFT", timeout=ANSWER_S)

    tolerance_c = 0.5
    """Distance from the setpoint that counts as arrived, degC."""

    def __init__(self, prefix: str = "", **kwargs: Any) -> None:
        self._ending = threading.Lock()
        kwargs.setdefault("egu", "degC")
        kwargs.setdefault("labels", {"furnaces"})
        super().__init__(prefix, **kwargs)

    def move(
        self, position: Any, wait: bool = True, timeout: float | None = None, moved_cb: Any = None
    ) -> Any:
        """Writes the setpoint; the status is done when the furnace stands there, or in time.

        Args:
            position: Temperature, degC.
            wait: Whether to wait for the end.
            timeout: Wall time it may take, s; computed from the ramp if not given.
            moved_cb: Called at the end.

        Raises:
            ValueError: No finite number, or outside the PV's limits.
        """
        goal_c = float(position)
        if not math.isfinite(goal_c):
            raise ValueError(f"{self.name} takes no setpoint of {goal_c} degC")
        limit_s = self.longest_s(goal_c) if timeout is None else timeout
        return super().move(goal_c, wait=wait, timeout=limit_s, moved_cb=moved_cb)

    def longest_s(self, goal_c: float) -> float:
        """How long a move may take, s."""
        distance_c = abs(goal_c - float(self.readback.get()))
        rate = max(float(self.ramp_c_per_min.get()), 1e-3)
        return distance_c / rate * 60.0 * 1.2 + SPARE_S

    def arrived(self, goal_c: float) -> bool:
        """Whether the IOC says that it is done, within the tolerance of a goal."""
        distance_c = abs(float(self.readback.get(use_monitor=False)) - goal_c)
        return not self.moving and distance_c <= self.tolerance_c

    def _setup_move(self, position: Any) -> None:
        super()._setup_move(position)
        if self.arrived(float(position)):
            self._done_moving(success=True)

    def _done_moving(self, **kwargs: Any) -> None:
        # Called from the monitor's thread and from ours: one of them finishes the status.
        with self._ending:
            super()._done_moving(**kwargs)
