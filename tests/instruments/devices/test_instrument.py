"""The classic face shows values with quality and age, sets in time and tells why not."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky.plans import count, scan
from bluesky.protocols import Movable, Readable, Stoppable, Triggerable
from bluesky.utils import FailedStatus
from event_model import DocumentNames, schema_validators
from ophyd import Kind
from ophyd.sim import instantiate_fake_device, make_fake_device

from hot_plate import BROKEN, SILENT, HotPlate
from instruments.cores.core import Channel, Show
from instruments.devices import instrument, quality
from instruments.devices.fake import FakeCore
from instruments.devices.instrument import InstrumentFace, face_of
from instruments.readout import Quality
from sdl.core.errors import ConfigError, DeviceError, LinkError


@pytest.fixture
def core() -> Iterator[HotPlate]:
    core = HotPlate()
    yield core
    core.let_go.set()


@pytest.fixture
def face(core: HotPlate) -> Any:
    return face_of(HotPlate)("", core=core, name="plate")


def values(face: Any) -> dict[str, Any]:
    return {k.removeprefix("plate_"): v["value"] for k, v in face.read().items()}


def test_a_face_is_made_once_and_asks_nothing_before_a_reading(core: HotPlate) -> None:
    core.let_go.clear()
    face = face_of(HotPlate)("", core=core, name="plate", labels={"plates"})
    assert face_of(HotPlate) is face_of(HotPlate)
    assert core.asked == []
    assert "plates" in face._ophyd_labels_
    for protocol in (Readable, Stoppable, Movable):
        assert isinstance(face, protocol)
    assert not isinstance(face, Triggerable)


def test_description_has_units_limits_precision_and_kinds(face: Any) -> None:
    key = face.describe()["plate_temperature_c"]
    assert (key["units"], key["precision"], key["dtype"]) == ("degC", 6, "number")
    assert (key["lower_ctrl_limit"], key["upper_ctrl_limit"]) == (-50.0, 1000.0)
    assert key["source"] == "core:plate.temperature_c"
    assert face.describe()["plate_state"]["dtype"] == "string"
    assert face.hints["fields"] == ["plate_temperature_c"]
    assert face.secret.kind is Kind.omitted
    assert "plate_secret" not in face.describe()
    assert set(face.describe()) == set(face.read())
    assert set(face.describe_configuration()) == set(face.read_configuration())


def test_a_reading_is_one_look(face: Any, core: HotPlate) -> None:
    shown = values(face)
    assert shown["temperature_c"] == 21.5
    assert shown["temperature_c_quality"] == shown["state_quality"] == "good"
    assert shown["state"] == "idle"
    assert 0.0 <= shown["age_s"] < 5.0
    assert core.asked == ["temperature_c", "setpoint_c", "state"]


@pytest.mark.parametrize(
    ("value", "error", "word"),
    [
        (math.nan, None, "missing"),
        (math.inf, None, "missing"),
        (9.9e37, None, "missing"),
        (-9999.0, None, "missing"),
        (1200.0, None, "implausible"),
        (300.0, BROKEN, "implausible"),
        (300.0, SILENT, "unreachable"),
        (300.0, DeviceError("not measured"), "missing"),
    ],
)
def test_a_value_that_cannot_be_believed_is_nan(
    face: Any, core: HotPlate, value: float, error: DeviceError | None, word: str
) -> None:
    assert values(face)["temperature_c"] == 21.5
    core.values["temperature_c"], core.error = value, error
    shown = values(face)
    assert math.isnan(shown["temperature_c"])
    assert shown["temperature_c_quality"] == word
    assert math.isnan(face.temperature_c.get())
    if error is not None:
        assert shown["state"] == ""
        assert shown["state_quality"] == word


def test_an_old_value_is_stale_and_not_shown(core: HotPlate) -> None:
    face: Any = face_of(HotPlate)("", core=core, name="plate", age_limit_s=5.0)
    core.age_s = 4.0
    assert values(face)["temperature_c"] == 21.5
    core.age_s = 6.0
    shown = values(face)
    assert math.isnan(shown["temperature_c"])
    assert shown["temperature_c_quality"] == "stale"
    assert shown["age_s"] >= 6.0


def test_what_was_seen_long_ago_is_stale(face: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = face.look(["temperature_c"])
    assert seen.readout("temperature_c").ok
    now_s = time.monotonic()
    monkeypatch.setattr(quality.time, "monotonic", lambda: now_s + 60.0)
    old = seen.readout("temperature_c")
    assert (old.quality, old.value) == (Quality.STALE, None)
    assert values(face)["temperature_c_quality"] == "good"


def test_a_slow_instrument_is_not_asked_for_ever(
    core: HotPlate, face: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "LOOK_S", -1.0)
    shown = values(face)
    assert core.asked == []
    assert shown["temperature_c_quality"] == "unreachable"


def test_configuration_says_who_it_is(core: HotPlate) -> None:
    face: Any = face_of(HotPlate)(
        "", core=core, name="plate", calibration="cal-7", calibrated_on="2026-11-03"
    )
    core.error = SILENT
    config = face.read_configuration()
    assert config["plate_serial_number"]["value"] == ""
    assert math.isnan(config["plate_ramp_c_per_min"]["value"])
    assert config["plate_ramp_c_per_min_quality"]["value"] == "unreachable"
    core.error = None
    config = {k: v["value"] for k, v in face.read_configuration().items()}
    assert config["plate_model"] == "HP-1"
    assert config["plate_serial_number"] == "1234"
    assert config["plate_firmware"] == "2.0"
    assert config["plate_calibration"] == "cal-7"
    assert config["plate_calibrated_on"] == "2026-11-03"
    assert config["plate_stop_action"] == "The heater goes off."
    assert config["plate_ramp_c_per_min"] == 5.0


def test_setting_is_checked_and_reaches_the_instrument(face: Any, core: HotPlate) -> None:
    face.set(300.0).wait(5.0)
    assert core.values["setpoint_c"] == 300.0
    face.ramp_c_per_min.set(10).wait(5.0)
    assert core.values["ramp_c_per_min"] == 10.0
    for wrong in (501.0, math.nan, "hot", True, None):
        status = face.set(wrong)
        assert isinstance(status.exception(5.0), DeviceError)
    assert isinstance(face.temperature_c.set(5.0).exception(5.0), DeviceError)
    assert core.values["setpoint_c"] == 300.0


def test_a_frozen_instrument_ends_a_setting_in_time(face: Any, core: HotPlate) -> None:
    core.let_go.clear()
    status = face.set(300.0, timeout=0.05)
    error = status.exception(5.0)
    assert isinstance(error, LinkError)
    assert "set plate.setpoint_c to 300.0" in str(error)
    core.let_go.set()


def test_the_cause_reaches_the_stop_document(face: Any, core: HotPlate) -> None:
    core.error = SILENT
    documents: list[Any] = []
    engine = RunEngine({}, context_managers=[])
    engine.subscribe(lambda name, doc: documents.append((name, doc)))

    def plan() -> Any:
        yield from bps.open_run()
        yield from bps.mv(face, 300.0)

    with pytest.raises(FailedStatus) as caught:
        engine(plan())
    assert caught.value.__cause__ is SILENT
    reason = documents[-1][1]["reason"]
    assert "plate does not answer" in reason
    assert "set plate.setpoint_c to 300.0" in reason


def test_stop_is_the_safe_action_and_ends_in_time(
    face: Any, core: HotPlate, monkeypatch: pytest.MonkeyPatch
) -> None:
    face.stop()
    face.stop(success=True)
    assert core.stops == 2
    monkeypatch.setattr(instrument, "STOP_S", 0.05)
    core.let_go.clear()
    with pytest.raises(LinkError, match="stop plate"):
        face.stop()
    core.let_go.set()
    core.error = BROKEN
    with pytest.raises(DeviceError, match="broken sensor"):
        face.stop()


def test_staging_twice_changes_nothing(face: Any) -> None:
    assert face.stage() == face.stage() == [face]
    assert face.unstage() == face.unstage() == [face]


def test_a_face_without_an_instrument_is_refused() -> None:
    with pytest.raises(ConfigError, match="give it a core"):
        face_of(HotPlate)("", name="plate")


def test_names_that_are_taken() -> None:
    class Odd(HotPlate):
        channels = (Channel("position", "mm", settable=True), Channel("stop", text=True))

    core = Odd()
    core.values.update(position=1.0, stop="no")
    odd: Any = face_of(Odd)("", core=core, name="odd")
    odd.set(2.0).wait(5.0)
    assert odd.read()["odd_position_"]["value"] == 2.0
    assert odd.read()["odd_position_quality"]["value"] == "good"
    assert callable(odd.stop)

    class Worse(HotPlate):
        channels = (Channel("look"),)

    with pytest.raises(ConfigError, match="look"):
        face_of(Worse)


def test_a_core_with_two_main_channels_is_not_movable() -> None:
    class Two(HotPlate):
        channels = (
            Channel("left_c", "degC", settable=True),
            Channel("right_c", "degC", settable=True),
        )

    assert not hasattr(face_of(Two), "set")

    class Slow(HotPlate):
        channels = (
            Channel("left_c", "degC"),
            Channel("rate", "degC/min", Show.CONFIG, settable=True),
        )

    assert hasattr(face_of(Slow), "set")


def test_a_fake_device_can_be_used() -> None:
    fake_class = make_fake_device(face_of(HotPlate))
    fake: Any = fake_class("", name="plate")
    assert isinstance(fake, InstrumentFace)
    core = fake.core
    assert isinstance(core, FakeCore)
    assert values(fake)["temperature_c"] == 0.0
    fake.set(200.0).wait(5.0)
    assert values(fake)["setpoint_c"] == 200.0
    assert isinstance(fake.set(900.0).exception(5.0), DeviceError)
    core.hold("temperature_c", math.nan)
    assert values(fake)["temperature_c_quality"] == "missing"
    fake.stop()
    assert core.stops == 1
    assert fake.read_configuration()["plate_model"]["value"] == "fake"
    assert values(instantiate_fake_device(fake_class.__mro__[1], name="plate", core=None))


def test_plans_count_and_scan_with_valid_documents(face: Any, core: HotPlate) -> None:
    documents: list[tuple[str, Any]] = []
    engine = RunEngine({}, context_managers=[])
    engine.subscribe(lambda name, doc: documents.append((name, doc)))
    engine(count([face], num=2))
    engine(scan([face], face, 100.0, 200.0, 3))
    for name, doc in documents:
        schema_validators[DocumentNames[name]].validate(doc)
    events = [doc for name, doc in documents if name == "event"]
    assert len(events) == 5
    assert [e["data"]["plate_setpoint_c"] for e in events[2:]] == [100.0, 150.0, 200.0]
