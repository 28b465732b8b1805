"""The core of a timer: against its simulator, and when it fails."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from instruments.cores.core import STOP_S
from instruments.cores.timer import TimerCore, TimerSettings
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from wired_rig import Rig

MAP = {
    "preset_s": 100, "remaining_s": 101, "starts": 102, "start_coil": 0, "stop_coil": 1,
    "running_contact": 0,
}  # fmt: skip


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    with Rig("mixer", tmp_path) as rig:
        rig.put("S1")
        yield rig


@pytest.fixture
def core(rig: Rig) -> TimerCore:
    return rig.driver.core


def test_channels(rig: Rig, core: TimerCore) -> None:
    core.identify()
    core.put("preset_s", 600.0)
    assert core.begin() == 1
    rig.turn(100.0)
    shown = {c.name: core.read(c.name).value for c in core.channels}
    assert shown == {"remaining_s": 500.0, "preset_s": 600.0, "starts": 1.0, "running": 1.0}


@pytest.mark.parametrize("wrong", [-1.0, 65536.0, float("nan"), "long"])
def test_preset_within_its_register(core: TimerCore, wrong: float | str) -> None:
    with pytest.raises(DeviceError, match="refuses a value"):
        core.put("preset_s", wrong)


def test_a_start_that_is_refused_is_not_counted(core: TimerCore) -> None:
    with pytest.raises(ProtocolError, match="refused"):  # no preset
        core.begin()
    assert core.fetch("starts") == 0.0


def test_stop_from_every_state(rig: Rig, core: TimerCore) -> None:
    core.stop()
    core.put("preset_s", 600.0)
    core.begin()
    rig.turn(10.0)
    core.stop()
    core.stop()
    assert not core.is_running()


def test_a_timer_that_counts_no_start(core: TimerCore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instruments.cores.timer.START_S", 0.1)
    monkeypatch.setattr(core, "_pulse", lambda coil: None)
    with pytest.raises(DeviceError, match="was told to start and counted no start"):
        core.begin()


def test_a_machine_that_does_not_stop(core: TimerCore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("instruments.cores.timer.TRY_STOP_S", 0.2)
    core.put("preset_s", 600.0)
    core.begin()
    monkeypatch.setattr(core, "_pulse", lambda coil: None)
    with pytest.raises(DeviceError, match="does not stop"):
        core.stop()


def test_everything_is_bounded_when_the_timer_freezes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        core = TimerCore("mixer", TimerSettings.model_validate({"link": link, **MAP}))
        for act, limit_s in ((core.begin, 1.5), (core.stop, STOP_S)):
            begun_s = time.monotonic()
            with pytest.raises(LinkError):
                act()
            assert time.monotonic() - begun_s < limit_s
        core.close()


def test_settings_need_every_address() -> None:
    for name in MAP:
        less = {k: v for k, v in MAP.items() if k != name}
        with pytest.raises(ValidationError):
            TimerSettings.model_validate({"link": "tcp://127.0.0.1:502", **less})
