"""Numbers that instruments send for "no value" are none, however they travelled."""

from __future__ import annotations

import math
import struct

import pytest

from instruments.readout import Quality, judged


@pytest.mark.parametrize("code", [math.nan, math.inf, -math.inf, 9.9e37, -9999.0])
@pytest.mark.parametrize("as_float32", [False, True])
def test_no_value_is_missing(code: float, as_float32: bool) -> None:
    sent = struct.unpack(">f", struct.pack(">f", code))[0] if as_float32 else code
    readout = judged(sent, "degC", "furnace_1.setpoint_c", low=None, high=None)
    assert (readout.value, readout.quality) == (None, Quality.MISSING)
    assert "the device sent" in readout.reason


def test_a_number_near_a_code_is_a_number() -> None:
    assert judged(-9998.0, "mg", "scale.mass_mg", low=None, high=None).value == -9998.0
