"""What a furnace program takes, estimated: no register of the controller tells an energy."""

from __future__ import annotations

from instruments.protocols.eurotherm_program import ROOM_C, FurnaceProgram

RAMP_DUTY = 0.8
SOAK_DUTY = 0.5
"""Shares of the rated power while heating and at the highest temperature: assumptions."""


def estimated_kwh(
    program: FurnaceProgram, start_c: float, power_kw: float, highest_c: float
) -> float:
    """An estimate of the energy of ramp and soak, kWh: rated power times assumed duties.

    Args:
        program: What ran.
        start_c: Temperature at its start, degC.
        power_kw: Rated power, kW.
        highest_c: Highest temperature of the furnace, degC.
    """
    ramp_h = abs(program.temperature_c - start_c) / program.ramp_c_per_min / 60.0
    duty = SOAK_DUTY * (program.temperature_c - ROOM_C) / max(highest_c - ROOM_C, 1.0)
    return power_kw * (RAMP_DUTY * ramp_h + duty * program.dwell_h)
