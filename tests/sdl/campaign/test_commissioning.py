"""Real hardware is not commanded before somebody has looked at it."""

import pytest

from sdl.campaign.commissioning import (
    items_for,
    missing_of,
    read_record,
    record_path,
    require_commissioned,
    tick,
)
from sdl.core.errors import ConfigError
from sdl.core.lab import LabFile

LAB = LabFile.model_validate(
    {
        "name": "x",
        "real": True,
        "stations": [
            {"name": "furnace_1", "kind": "furnace", "driver": "human", "max_temperature_c": 900},
            {"name": "mixer", "kind": "mixer", "driver": "human"},
        ],
    }
)  # fmt: skip


def every(name):
    return [item.partition(":")[0] for item in items_for(LAB.station(name))]


def test_items_are_ticked_by_somebody_until_none_is_missing(tmp_path):
    path = tmp_path / "lab.yaml"
    with pytest.raises(ConfigError, match=r"furnace_1 lacks identity, .*mixer lacks"):
        require_commissioned(LAB, path)
    with pytest.raises(ConfigError, match="nobody"):
        tick(path, LAB, "mixer", ["stop"], "  ")
    left = tick(path, LAB, "mixer", ["stop"], "A. Chemist")
    assert "stop" not in left
    assert "identity" in left
    for name in ("mixer", "furnace_1"):
        assert tick(path, LAB, name, every(name), "A. Chemist") == ()
    require_commissioned(LAB, path)
    assert record_path(path).name == "lab.commissioning.yaml"
    assert read_record(path).stations["mixer"].ticked[0].by == "A. Chemist"


def test_a_changed_station_starts_again(tmp_path):
    path = tmp_path / "lab.yaml"
    tick(path, LAB, "furnace_1", every("furnace_1"), "A")
    hotter = LAB.station("furnace_1").model_copy(update={"max_temperature_c": 1200.0})
    assert missing_of(hotter, read_record(path)) == tuple(every("furnace_1"))


def test_what_is_not_real_needs_nothing(tmp_path):
    path = tmp_path / "lab.yaml"
    require_commissioned(LAB.model_copy(update={"real": False}), path)
    assert not record_path(path).exists()


@pytest.mark.parametrize(("station", "item"), [("cellar", "stop"), ("mixer", "luck")])
def test_unknown_words_are_refused_with_those_that_are_known(tmp_path, station, item):
    with pytest.raises(ConfigError, match=r"allowed: .*(mixer|guard)"):
        tick(tmp_path / "lab.yaml", LAB, station, [item], "A")


def test_a_damaged_record_is_no_record(tmp_path):
    path = tmp_path / "lab.yaml"
    record_path(path).write_text("stations: [1]\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"lab\.commissioning\.yaml"):
        require_commissioned(LAB, path)
