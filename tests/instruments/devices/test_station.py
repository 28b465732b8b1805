"""A station's configuration tells who its instruments are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hot_plate import SILENT, HotPlate
from instruments.devices.station import StationFace
from instruments.drivers.virtual import VirtualDriver


def config(face: Any) -> dict[str, Any]:
    return {k: v["value"] for k, v in face.read_configuration().items()}


def test_a_virtual_station_says_so(drivers: dict[str, VirtualDriver]) -> None:
    face = StationFace(drivers["mixer"], name="mixer")
    assert config(face) == {"mixer_serial_number": "simulated", "mixer_firmware": "simulated"}
    assert set(face.describe_configuration()) == set(config(face))


def test_instruments_are_asked_until_they_answer() -> None:
    plate, other = HotPlate(), HotPlate("other")
    driver: Any = SimpleNamespace(cores=[plate, other])
    face = StationFace(driver, name="plates")
    plate.error = other.error = SILENT
    assert config(face) == {"plates_serial_number": "", "plates_firmware": ""}
    other.error = None
    assert config(face) == {"plates_serial_number": "1234", "plates_firmware": "2.0"}
    plate.error = None
    assert config(face)["plates_serial_number"] == "1234, 1234"
    plate.error = other.error = SILENT
    assert config(face)["plates_firmware"] == "2.0, 2.0"
