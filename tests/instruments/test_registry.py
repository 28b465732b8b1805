"""Settings of a laboratory file that a driver does not take: what, allowed, file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from instruments.registry import read_settings
from sdl.core.errors import ConfigError
from sdl.core.lab import LabFile
from sdl.core.yaml import load

LOOPBACK = (Path(__file__).parents[2] / "labs" / "loopback.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "station", "words"),
    [
        ("time_unit: min", "time_unitt: min", "furnace_1", "did you mean 'time_unit'"),
        ("time_unit: min", "opens_hot: true", "furnace_1", "opens_hot stands beside a door"),
        ("unit: 1, preset_s: 100", "unit: 999, preset_s: 100", "mixer", "got 999"),
        ("driver: eurotherm", "driver: euroterm", "furnace_1", "did you mean 'eurotherm'"),
    ],
)
def test_a_wrong_setting_is_told_with_its_line(
    tmp_path: Path, old: str, new: str, station: str, words: str
) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(LOOPBACK.replace(old, new), encoding="utf-8")
    wrong = load(path, LabFile).station(station)
    with pytest.raises(ConfigError, match=words) as told:
        read_settings(wrong, path)
    lines = path.read_text(encoding="utf-8").splitlines()
    file, _, number = str(told.value.where).rpartition(":")
    assert file == str(path)
    line = lines[int(number) - 1]
    # Settings that contradict each other have the line of their key.
    assert new.partition(":")[0] in line or line.strip() == "settings:" or new in line
