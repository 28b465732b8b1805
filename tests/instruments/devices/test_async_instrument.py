"""The ophyd-async face: real first values, errors pushed, orders that end in time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from bluesky import RunEngine
from bluesky import plan_stubs as bps
from bluesky.plans import count, scan
from bluesky.protocols import Locatable, Movable, Readable, Stoppable
from bluesky.utils import FailedStatus
from event_model import DocumentNames, schema_validators

from hot_plate import BROKEN, SILENT, HotPlate
from instruments.devices.instrument import face_of
from sdl.core.errors import ConfigError, DeviceError, LinkError

pytest.importorskip("ophyd_async.core", reason="needs the extra ophyd-async")

from ophyd_async.core import NotConnectedError, get_mock_put, init_devices, set_mock_value

from instruments.cores.core import Channel
from instruments.devices import async_instrument as module
from instruments.devices.async_instrument import AsyncInstrument, async_instrument


@pytest.fixture
def core() -> Iterator[HotPlate]:
    core = HotPlate()
    yield core
    core.let_go.set()


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 20.0))


async def connected(core: HotPlate, **settings: Any) -> Any:
    plate = async_instrument(core, "plate", **settings)
    await plate.connect()
    return plate


async def values(plate: Any) -> dict[str, Any]:
    return {k.removeprefix("plate_"): v["value"] for k, v in (await plate.read()).items()}


def test_signals_and_descriptions_are_those_of_the_classic_face(core: HotPlate) -> None:
    classic: Any = face_of(HotPlate)("", core=core, name="plate")

    async def work() -> None:
        plate = await connected(core)
        key = (await plate.describe())["plate_temperature_c"]
        assert (key["units"], key["dtype"], key["precision"]) == ("degC", "number", 6)
        assert key["limits"]["control"] == {"low": -50.0, "high": 1000.0}
        assert set(await plate.describe()) == set(await plate.read()) == set(classic.describe())
        config = await plate.describe_configuration()
        assert set(config) == set(await plate.read_configuration())
        assert set(config) == set(classic.describe_configuration())
        assert plate.hints == {"fields": ["plate_temperature_c"]}
        for protocol in (Readable, Movable, Stoppable, Locatable):
            assert isinstance(plate, protocol)

    run(work())


def test_the_first_reading_is_real_also_when_staged_first(core: HotPlate) -> None:
    async def work() -> None:
        plate = await connected(core)
        await plate.stage()
        shown = await values(plate)
        assert shown["temperature_c"] == 21.5
        assert shown["temperature_c_quality"] == "good"
        assert 0.0 <= shown["age_s"] < 5.0
        await plate.unstage()
        seen = asyncio.get_running_loop().create_future()
        plate.temperature_c.subscribe(lambda r: seen.done() or seen.set_result(r))
        assert (await seen)["plate_temperature_c"]["value"] == 21.5
        plate.temperature_c.clear_sub(lambda r: None)

    run(work())


def test_a_reading_asks_every_channel_once(core: HotPlate) -> None:
    async def work() -> None:
        plate = await connected(core)
        core.asked.clear()
        await plate.read()
        assert sorted(core.asked) == ["setpoint_c", "state", "temperature_c"]

    run(work())


@pytest.mark.parametrize(("error", "word"), [(SILENT, "unreachable"), (BROKEN, "implausible")])
def test_an_error_is_shown_and_pushed_never_the_last_value(
    core: HotPlate, error: DeviceError, word: str
) -> None:
    async def work() -> None:
        plate = await connected(core, poll_s=0.01)
        pushed: asyncio.Queue[Any] = asyncio.Queue()
        plate.temperature_c.subscribe(lambda r: pushed.put_nowait(next(iter(r.values()))))
        assert (await pushed.get())["value"] == 21.5
        core.error = error
        reading = await pushed.get()
        while not math.isnan(reading["value"]):
            reading = await pushed.get()
        assert reading["alarm_severity"] == 3
        assert str(error) in reading["message"]
        shown = await values(plate)
        assert math.isnan(shown["temperature_c"])
        assert shown["temperature_c_quality"] == word
        core.error, core.values["temperature_c"] = None, 30.0
        while reading["value"] != 30.0:
            reading = await pushed.get()
        await plate.temperature_c.unstage()

    run(work())


def test_subscribers_of_a_frozen_instrument_are_told(core: HotPlate) -> None:
    async def work() -> None:
        plate = await connected(core, poll_s=0.01, age_limit_s=0.1)
        pushed: asyncio.Queue[Any] = asyncio.Queue()
        plate.temperature_c.subscribe(lambda r: pushed.put_nowait(next(iter(r.values()))))
        assert (await pushed.get())["value"] == 21.5
        core.let_go.clear()
        reading = await pushed.get()
        while not math.isnan(reading["value"]):
            reading = await pushed.get()
        assert "no value for 0.1 s" in reading["message"]
        core.let_go.set()

    run(work())


def test_a_value_older_than_its_limit_is_stale(core: HotPlate) -> None:
    async def work() -> None:
        plate = await connected(core, age_limit_s=5.0)
        core.age_s = 6.0
        shown = await values(plate)
        assert math.isnan(shown["temperature_c"])
        assert shown["temperature_c_quality"] == "stale"
        assert shown["age_s"] >= 6.0

    run(work())


def test_setting_is_checked_bounded_and_seen_at_once(core: HotPlate) -> None:
    async def work() -> None:
        plate = await connected(core)
        await plate.set(300.0)
        assert (await values(plate))["setpoint_c"] == 300.0
        assert (await plate.locate())["readback"] == 300.0
        for wrong in (501.0, math.nan, "hot", None):
            with pytest.raises(DeviceError):
                await plate.set(wrong)
        with pytest.raises(DeviceError, match="cannot be set"):
            await plate.temperature_c._connector.backend.put(1.0)
        core.let_go.clear()
        with pytest.raises(LinkError, match=r"set core:plate\.setpoint_c to 200\.0"):
            await plate.set(200.0, timeout=0.05)
        core.let_go.set()

    run(work())


def test_stop_ends_in_time(core: HotPlate, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        plate = await connected(core)
        await plate.stop()
        assert core.stops == 1
        monkeypatch.setattr(module, "STOP_S", 0.05)
        core.let_go.clear()
        with pytest.raises(LinkError, match="stop plate"):
            await plate.stop()
        core.let_go.set()

    run(work())


def test_connecting_asks_who_it_is(core: HotPlate) -> None:
    async def work() -> None:
        core.error = SILENT
        with pytest.raises(NotConnectedError, match="plate does not answer"):
            await connected(core)
        core.error = None
        plate = await connected(core, calibration="cal-7")
        config = {k: v["value"] for k, v in (await plate.read_configuration()).items()}
        assert config["plate_serial_number"] == "1234"
        assert config["plate_firmware"] == "2.0"
        assert config["plate_calibration"] == "cal-7"
        assert config["plate_stop_action"] == "The heater goes off."

    run(work())


def test_a_mock_never_touches_the_core(core: HotPlate) -> None:
    core.error = SILENT
    engine = RunEngine({}, context_managers=[])
    with init_devices(mock=True):
        plate: Any = async_instrument(core)
    set_mock_value(plate.temperature_c, 99.0)
    documents: list[tuple[str, Any]] = []
    engine(scan([plate], plate, 10.0, 20.0, 2), lambda name, doc: documents.append((name, doc)))
    event = [doc for name, doc in documents if name == "event"][-1]
    assert event["data"]["plate_temperature_c"] == 99.0
    assert event["data"]["plate_temperature_c_quality"] == "good"
    assert get_mock_put(plate.setpoint_c).await_count == 2
    assert core.asked == []
    key = next(d for n, d in documents if n == "descriptor")["data_keys"]["plate_temperature_c"]
    assert key["units"] == "degC"


def test_names_that_are_taken() -> None:
    class Odd(HotPlate):
        channels = (Channel("position", "mm", settable=True), Channel("stop", text=True))

    odd: Any = async_instrument(Odd(), "odd")
    assert odd.position_.name == "odd_position_"
    assert odd.main is odd.position_
    assert callable(odd.stop)

    class Worse(HotPlate):
        channels = (Channel("core"),)

    with pytest.raises(ConfigError, match="core"):
        AsyncInstrument(Worse())


def test_both_faces_in_one_scan(core: HotPlate) -> None:
    engine = RunEngine({}, context_managers=[])
    other = HotPlate("other")
    with init_devices():
        modern: Any = async_instrument(other, "modern")
    classic: Any = face_of(HotPlate)("", core=core, name="classic")
    documents: list[tuple[str, Any]] = []
    engine.subscribe(lambda name, doc: documents.append((name, doc)))
    engine(scan([classic, modern], classic, 100.0, 300.0, 3))
    engine(scan([classic, modern], modern, 50.0, 60.0, 2))
    engine(count([modern, classic], num=2))
    for name, doc in documents:
        schema_validators[DocumentNames[name]].validate(doc)
    events = [doc["data"] for name, doc in documents if name == "event"]
    assert [e["classic_setpoint_c"] for e in events] == [100.0, 200.0] + [300.0] * 5
    assert [e["modern_setpoint_c"] for e in events] == [20.0] * 3 + [50.0] + [60.0] * 3
    assert {e["modern_temperature_c"] for e in events} == {21.5}
    other.error = SILENT
    engine(count([classic, modern]))
    last = documents[-2][1]["data"]
    assert math.isnan(last["modern_temperature_c"])
    assert last["classic_temperature_c"] == 21.5


def test_the_cause_of_a_failed_setting_reaches_the_stop_document(core: HotPlate) -> None:
    engine = RunEngine({}, context_managers=[])
    with init_devices():
        plate: Any = async_instrument(core, "plate")
    core.error = SILENT
    documents: list[Any] = []
    engine.subscribe(lambda name, doc: documents.append(doc))

    def plan() -> Any:
        yield from bps.open_run()
        yield from bps.mv(plate, 300.0)

    with pytest.raises(FailedStatus) as caught:
        engine(plan())
    assert caught.value.__cause__ is SILENT
    assert "plate does not answer" in documents[-1]["reason"]
