"""happi: written entries load in the real client; classes off the list are never imported."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from instruments.devices.instrument import InstrumentFace
from instruments.happi import ALLOWED, EPICS_FURNACE, INSTRUMENT, from_happi, to_happi
from sdl.core.errors import ConfigError
from sdl.core.lab import LabFile
from sdl.core.yaml import load

happi = pytest.importorskip("happi", reason="needs the extra happi")


@pytest.fixture
def lab(root: Path) -> LabFile:
    whole = load(root / "labs" / "loopback.yaml", LabFile)
    stations = tuple(s for s in whole.stations if s.driver in ("eurotherm", "mt-sics-dosing"))
    return LabFile(name="part", stations=stations, shelf=whole.shelf)


def entry(**changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = {
        "_id": "furnace_1",
        "name": "furnace_1",
        "type": "OphydItem",
        "device_class": INSTRUMENT,
        "prefix": "furnace_1",
        "args": [],
        "kwargs": {"name": "{{name}}", "station": {}, "core": "furnace_1", "folder": "."},
    }
    return {**written, **changes}


def write(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({e["_id"]: e for e in entries}))
    return path


def test_a_laboratory_goes_in_and_comes_back(lab: LabFile, tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    names = to_happi(lab, path)
    assert "furnace_1" in {n[:9] for n in names}
    devices = from_happi(path)
    assert tuple(sorted(devices)) == tuple(sorted(names))
    for name, device in devices.items():
        assert isinstance(device, InstrumentFace)
        assert device.name == name
        assert device.describe()
    only = from_happi(path, names=[names[0]])
    assert list(only) == [names[0]]
    with pytest.raises(ConfigError, match="database exists"):
        to_happi(lab, path)
    with pytest.raises(ConfigError, match="no such entry"):
        from_happi(path, names=["nothing"])


def test_the_real_client_loads_what_was_written(lab: LabFile, tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    (name, *_) = to_happi(lab, path)
    found = happi.Client(path=str(path)).search(name=name)
    device = found[0].get()
    assert isinstance(device, InstrumentFace)
    assert device.name == name
    assert found[0].metadata["device_class"] == INSTRUMENT


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.check_output",
        "builtins.eval",
        "ophyd.sim.SynAxis",
        "instruments.devices.stored.open_instrument.__globals__",
        "instruments.devices.stored.cores_of",
        "instruments.devices.evil_module.Thing",
        "Instruments.devices.stored.open_instrument",
        "",
    ],
)
def test_another_class_is_refused_and_not_imported(target: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    bad = entry(device_class=target, args=[f"touch {mark}"], kwargs={})
    path = write(tmp_path / "devices.json", bad)
    with pytest.raises(ConfigError, match="allow-list"):
        from_happi(path)
    assert not mark.exists()
    assert "instruments.devices.evil_module" not in sys.modules


def test_one_bad_entry_stops_all(lab: LabFile, tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    names = to_happi(lab, path)
    database = json.loads(path.read_text())
    database["zz"] = entry(_id="zz", name="zz", device_class="os.system", args=["true"], kwargs={})
    path.write_text(json.dumps(database))
    with pytest.raises(ConfigError, match="allow-list"):
        from_happi(path)
    assert list(from_happi(path, names=[names[0]])) == [names[0]]


PAYLOAD = "{{ name.__class__.__mro__[1].__subclasses__() }}"


@pytest.mark.parametrize(
    "changes",
    [
        {"kwargs": {**entry()["kwargs"], "core": PAYLOAD}},
        {"kwargs": {**entry()["kwargs"], "core": "{% for a in b %}{% endfor %}"}},
        {"kwargs": {**entry()["kwargs"], "folder": "{{name}}{{name}}"}},
        {"kwargs": {**entry()["kwargs"], "station": {"settings": [{"link": PAYLOAD}]}}},
        {"kwargs": {**entry()["kwargs"], "station": {PAYLOAD: 1}}},
        {"device_class": EPICS_FURNACE, "args": [PAYLOAD], "kwargs": {"name": "{{name}}"}},
    ],
)
def test_templates_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "devices.json", entry(**changes))
    with pytest.raises(ConfigError, match="could run code"):
        from_happi(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"kwargs": {**entry()["kwargs"], "more": 1}},
        {"kwargs": {"name": "{{name}}"}},
        {"args": ["{{prefix}}"]},
        {"args": "{{prefix}}"},
        {"name": "../evil"},
        {"name": PAYLOAD},
        {"name": "furnace-1"},
        {"_id": "../evil"},
        {"_id": "a" * 65},
        {"type": "HappiItem"},
        {"prefix": PAYLOAD},
        {"active": "perhaps"},
        {"kwargs": {**entry()["kwargs"], "station": {"name": "f", "kind": "furnace"}}},
        {
            "kwargs": {
                **entry()["kwargs"],
                "station": {"name": "f", "kind": "furnace", "driver": "x"},
            }
        },
    ],
)
def test_other_entries_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "devices.json", entry(**changes))
    with pytest.raises(ConfigError):
        from_happi(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        "[" * 100_000,
        '{"a": ' + "9" * 10_000 + "}",
        '{"a": null}',
    ],
)
def test_what_is_no_database_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    path.write_text(text)
    with pytest.raises(ConfigError):
        from_happi(path)


def test_an_id_that_is_not_its_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "devices.json"
    path.write_text(json.dumps({"other": entry()}))
    with pytest.raises(ConfigError, match="other arguments"):
        from_happi(path)


def test_every_allowed_name_exists() -> None:
    for name in ALLOWED:
        module, _, attribute = name.rpartition(".")
        assert callable(getattr(__import__(module, fromlist=[attribute]), attribute))
