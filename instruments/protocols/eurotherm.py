"""Eurotherm controllers: register maps, and numbers to registers and back.

Source: register tables of the EPC3016 and of the 2416 (reference, section 5.1). A map belongs to
one model and is never used for another: what is the recovery strategy here is a passcode there.
Nothing here was tried on hardware.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from instruments.protocols.modbus import float32, float32_registers, signed

UNIT_S: Mapping[int, float] = {1: 60.0, 2: 3600.0, 0: 1.0}
"""Seconds in a unit of RampUnits, DwellUnits and TimeFormat, in the order of preference."""
_LARGEST_SCALED = 32767
"""Scaled integers are taken as signed, which is safe where they are not."""


class Mode(StrEnum):
    """What the programmer does (register 23)."""

    RESET = "reset"
    RUN = "run"
    HOLD = "hold"
    HOLDBACK = "holdback"
    COMPLETE = "complete"


MODES: Mapping[int, Mode] = {
    1: Mode.RESET,
    2: Mode.RUN,
    4: Mode.HOLD,
    8: Mode.HOLDBACK,
    16: Mode.COMPLETE,
}
"""Values of register 23; the 2400 series calls 1 OFF and 16 STOP."""
AT_WORK = (Mode.RUN, Mode.HOLD, Mode.HOLDBACK)
"""A program is in it and will go on."""


STATUS_BITS: Mapping[str, int] = {"sensor_break": 5, "loop_break": 6, "heater_fail": 7}
"""Bits of the status word; known of the 3200 series, not verified for the others."""


@dataclass(frozen=True)
class RegisterMap:
    """Addresses of one model, decimal.

    Args:
        model: What it is for.
        floats: Whether numbers are also float32 at 0x8000 + 2 * address; scaled integers otherwise.
        time_format: Register with the unit of its times, coded as in ``UNIT_S``. Of the EPC it is
            its TimeFormat, whose coding is not public: assumed to be that of RampUnits, or said in
            the laboratory file. The times of the 2400 are tenths of its DwellUnits.
        times_by_format: Whether segment times too are in its TimeFormat, whatever DwellUnits says.
        pv: Process value, degC.
        target_sp: Setpoint, degC.
        output: Working output, %.
        working_sp: Setpoint the loop follows now, degC.
        program_number: Program that runs.
        mode: Programmer mode.
        segment: Number of the running segment, from 1.
        time_left: Time left of the program.
        status: Instrument status word.
        sp_high: Highest setpoint, degC.
        sp_low: Lowest setpoint, degC.
        sensor_break: Not 0 while the thermocouple is broken.
        watchdog_timeout: Comms watchdog, its time; ``None`` where there is none.
        watchdog_action: Comms watchdog, what it does.
        program: First register of program 1: HoldbackType; then HoldbackValue, RampUnits,
            DwellUnits, ProgramCycles.
        end_type: ProgramEndType; ``None`` where the END segment holds it in its fourth register.
        first_segment: First register of segment 1; each has 8.
    """

    model: str
    floats: bool
    time_format: int
    times_by_format: bool
    pv: int
    target_sp: int
    output: int
    working_sp: int
    program_number: int
    mode: int
    segment: int
    time_left: int
    status: int
    sp_high: int
    sp_low: int
    sensor_break: int
    watchdog_timeout: int | None
    watchdog_action: int | None
    program: int
    end_type: int | None
    first_segment: int

    def segment_at(self, number: int) -> int:
        """First register of a segment, counted from 1."""
        return self.first_segment + 8 * (number - 1)


EPC3000 = RegisterMap(
    model="Eurotherm EPC3000",
    floats=True,
    time_format=1173,
    times_by_format=True,
    pv=1,
    target_sp=2,
    output=4,
    working_sp=5,
    program_number=22,
    mode=23,
    segment=56,
    time_left=58,
    status=75,
    sp_high=111,
    sp_low=112,
    sensor_break=1931,
    watchdog_timeout=1169,
    watchdog_action=1170,
    program=8328,
    end_type=8334,
    first_segment=8336,
)
SERIES_2400 = RegisterMap(
    model="Eurotherm 2400 series",
    floats=False,
    time_format=8331,
    times_by_format=False,
    pv=1,
    target_sp=2,
    output=4,
    working_sp=5,
    program_number=22,
    mode=23,
    segment=56,
    time_left=58,
    status=75,
    sp_high=111,
    sp_low=112,
    sensor_break=258,
    watchdog_timeout=None,
    watchdog_action=None,
    program=8328,
    end_type=None,
    first_segment=8336,
)
MAPS: Mapping[str, RegisterMap] = {"epc3000": EPC3000, "2400": SERIES_2400}
"""Maps by the setting ``model``."""


@dataclass(frozen=True)
class Cell:
    """One parameter and what it is set to.

    Args:
        name: For messages.
        address: Its register.
        value: In the unit of the register.
        decimals: Decimals of a scaled integer; ``None`` for a whole number.
    """

    name: str
    address: int
    value: float
    decimals: int | None = None


def words(regs: RegisterMap, cell: Cell) -> tuple[int, list[int]]:
    """Where a parameter is written, and the registers.

    Raises:
        ValueError: The registers cannot hold the value.
    """
    if cell.decimals is None:
        if cell.value != int(cell.value) or not 0 <= cell.value <= 0xFFFF:
            raise ValueError(f"{cell.name} cannot be {cell.value:g}")
        return cell.address, [int(cell.value)]
    if regs.floats:
        return 0x8000 + 2 * cell.address, float32_registers(cell.value)
    scaled = round(cell.value * 10**cell.decimals)
    if abs(scaled) > _LARGEST_SCALED:
        raise ValueError(f"{cell.name} cannot be {cell.value:g}")
    return cell.address, [scaled & 0xFFFF]


def number(regs: RegisterMap, decimals: int | None, registers: Sequence[int]) -> float:
    """The value of the registers of a parameter; may be NaN."""
    if decimals is None:
        return float(registers[0])
    return float32(registers) if regs.floats else signed(registers[0]) / 10**decimals


def is_held(regs: RegisterMap, cell: Cell, got: float) -> bool:
    """Whether a value that was read is the one that was written, within the registers' steps."""
    if cell.decimals is None:
        return got == cell.value
    step = 0.5001 * 10.0**-cell.decimals
    return abs(got - cell.value) <= (max(1e-4, 1e-5 * abs(cell.value)) if regs.floats else step)
