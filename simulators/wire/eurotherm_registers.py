"""Registers of two Eurotherm controllers: addresses, scales, what may be written.

Source: the register tables of alab_control (EPC3016, 2416) and the 2400 series manual. Where they
say nothing, this map decides:

* 16-bit: temperatures, outputs and rates have one decimal; times of the EPC are whole units of its
  ``TimeFormat``, times of the 2400 tenths of its ``DwellUnits``. Numbers that cannot be shown are
  32767.
* EPC float32 at 0x8000 + 2 * address, high word first, in the same unit without a scale; both words
  at once, or exception 2.
* ``TimeFormat`` is coded as ``RampUnits`` and ``DwellUnits`` are (0 s, 1 min, 2 h): its own coding
  is not public. ``DwellUnits`` of the EPC only changes what its display shows.
* Holdback is kept and has no effect: the furnace of the virtual world follows its setpoint.
* Registers of a block whose meaning is not public are kept at 0.
* 518 of the 2400 belongs to its configuration level, which is shut: exception 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

MIRROR = 0x8000
"""Where the float32 values of an EPC begin."""
GENERAL, SEGMENTS, SEGMENT_SIZE, SEGMENT_COUNT = 8328, 8336, 8, 16
"""Program 1: its general data, its segments, registers of a segment, segments."""
SEGMENT_TYPE, TARGET, AMOUNT, END_OR_CALL, EVENT = 0, 1, 2, 3, 4
"""Registers of a segment that count; ``AMOUNT`` is a rate or a time by the type."""
UNIT_S = (1.0, 60.0, 3600.0)
"""What units of time are coded by their place: s, min, h."""
UNSHOWABLE = 32767


@dataclass(frozen=True)
class Register:
    """One value of the controller.

    Args:
        name: As in the code of the simulator.
        decimals: Of the 16-bit integer.
        signed: Whether the 16-bit integer is.
        writable: Whether it is taken over the wire.
        choices: The only values it takes; empty for any.
        program: Whether it belongs to the program: cannot be changed while it runs.
    """

    name: str
    decimals: int = 0
    signed: bool = False
    writable: bool = True
    choices: tuple[float, ...] = ()
    program: bool = False

    def word(self, value: float) -> int:
        """The 16-bit integer that shows a value, at the nearest end where it does not fit."""
        if value != value:
            return UNSHOWABLE
        low, high = (-32768, 32767) if self.signed else (0, 65535)
        scaled = value * 10**self.decimals
        return int(min(max(round(min(max(scaled, -1e6), 1e6)), low), high)) & 0xFFFF

    def value(self, word: int) -> float:
        """What a 16-bit integer says."""
        number = word - 0x10000 if self.signed and word > 0x7FFF else word
        return number / 10**self.decimals


FLAG, UNIT, HOLDBACK = (0.0, 1.0), (0.0, 1.0, 2.0), (0.0, 1.0, 2.0, 3.0)


def _shown(name: str, decimals: int = 0, *, signed: bool = False) -> Register:
    return Register(name, decimals, signed, writable=False)


def _celsius(name: str) -> Register:
    return Register(name, 1, signed=True)


def _kept(name: str) -> Register:
    return Register(name, choices=(0.0,), program=True)


COMMON: Mapping[int, Register] = {
    1: _shown("pv", 1, signed=True),
    2: _celsius("target_sp"),
    3: _celsius("manual_op"),
    4: _shown("working_op", 1, signed=True),
    5: _shown("working_sp", 1, signed=True),
    22: Register("program_number", choices=(1.0,)),
    23: Register("mode", choices=(1.0, 2.0, 4.0)),
    24: _celsius("sp1"),
    25: _celsius("sp2"),
    35: Register("rate_up", 1),
    56: _shown("segment"),
    75: _shown("status"),
    111: _celsius("sp_high"),
    112: _celsius("sp_low"),
    273: Register("manual", choices=FLAG),
    274: Register("acknowledge", choices=FLAG),
    276: Register("remote", choices=(0.0,)),
    GENERAL: Register("holdback_type", choices=HOLDBACK, program=True),
    GENERAL + 1: Register("holdback_value", 1, program=True),
    GENERAL + 2: Register("ramp_units", choices=UNIT, program=True),
    GENERAL + 3: Register("dwell_units", choices=UNIT, program=True),
    GENERAL + 4: Register("cycles", choices=(1.0,), program=True),
    GENERAL + 5: _kept("holdback_style"),
    GENERAL + 6: _kept("general_6"),
    GENERAL + 7: _kept("general_7"),
}
"""What both models have."""

EPC_ONLY: Mapping[int, Register] = {
    58: _shown("time_left"),
    63: _shown("segment_left"),
    518: Register("recovery"),
    1072: _shown("alarms"),
    1073: _shown("new_alarm"),
    1085: Register("standby", choices=FLAG),
    1168: _shown("comms_status"),
    1169: Register("watchdog_time"),
    1170: Register("watchdog_action", choices=FLAG),
    1171: Register("watchdog_recovery"),
    1172: Register("watchdog_flag", choices=FLAG),
    1173: Register("time_format", choices=UNIT),
    1667: Register("rate_down", 1),
    1930: Register("break_type"),
    1931: _shown("break_output"),
    1932: _shown("pv_status"),
    GENERAL + 6: Register("end_type", choices=(0.0, 1.0, 2.0), program=True),
    GENERAL + 7: _shown("segments_used"),
}

ONLY_2400: Mapping[int, Register] = {
    58: _shown("time_left", 1),
    63: _shown("segment_left", 1),
    258: _shown("break_output"),
}


def _segments(offsets: Mapping[int, Register]) -> dict[int, Register]:
    return {
        SEGMENTS + SEGMENT_SIZE * number + offset: replace(
            register, name=f"segment_{number + 1}_{register.name}"
        )
        for number in range(SEGMENT_COUNT)
        for offset, register in offsets.items()
    }


SEGMENT: Mapping[int, Register] = {
    SEGMENT_TYPE: Register("type", choices=(0.0, 1.0, 2.0, 3.0, 4.0, 5.0), program=True),
    TARGET: Register("target", 1, signed=True, program=True),
    AMOUNT: Register("amount", 1, program=True),
    END_OR_CALL: Register("end_or_call", program=True),
    EVENT: Register("event", program=True),
    5: Register("holdback_type", choices=HOLDBACK, program=True),
    6: Register("holdback_value", 1, program=True),
    7: _kept("reserved"),
}

EPC3000: Mapping[int, Register] = {**COMMON, **EPC_ONLY, **_segments(SEGMENT)}
SERIES_2400: Mapping[int, Register] = {
    **COMMON,
    **ONLY_2400,
    **_segments({**SEGMENT, 6: _kept("reserved_6")}),
}


def place(number: int, offset: int) -> int:
    """Address of a register of segment ``number``, from 1."""
    return SEGMENTS + SEGMENT_SIZE * (number - 1) + offset


def amount(register: Register, segment_type: float, *, is_epc: bool) -> Register:
    """The register with several meanings: a rate has one decimal, a time of the EPC none."""
    return replace(register, decimals=0) if is_epc and segment_type != 1.0 else register
