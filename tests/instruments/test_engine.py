"""The RunEngine is booked, tells causes, survives its sink and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Generator
from typing import Any

import pytest
from bluesky import plan_stubs as bps
from bluesky.utils import Msg
from ophyd import Device
from ophyd.status import Status

from instruments.engine import Engine
from sdl.core.errors import BusyError, DeviceError


class Broken(Device):
    """Its statuses fail."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause
        super().__init__("", name="broken")

    def set(self, value: float) -> Status:
        status = Status(obj=self, timeout=5.0)
        status.set_exception(self.cause)
        return status

    def stop(self, *, success: bool = False) -> None:
        """Nothing to stop."""


def test_a_second_booking_is_refused(engine: Engine) -> None:
    with engine.booked("c1 at mixer"), pytest.raises(BusyError, match="c1 at mixer"):
        engine.run(run_of_one_event(), device="mixer", command="c2")
    engine.run(bps.null(), device="mixer", command="c2")


def test_the_cause_of_a_failed_status_is_told(engine: Engine) -> None:
    cause = OSError("the serial line is dead")
    device: Any = Broken(cause)
    with pytest.raises(DeviceError, match=r"broken failed at c4.*serial line") as caught:
        engine.run(bps.mv(device, 1.0), device="broken", command="c4")
    assert caught.value.__cause__ is cause
    engine.run(bps.null(), device="broken", command="c5")


def test_our_own_errors_pass_unchanged(engine: Engine) -> None:
    cause = DeviceError("the jar is open")
    device: Any = Broken(cause)
    with pytest.raises(DeviceError) as caught:
        engine.run(bps.mv(device, 1.0), device="broken", command="c4")
    assert caught.value is cause


def run_of_one_event() -> Generator[Msg, Any, Any]:
    yield from bps.open_run()
    yield from bps.close_run()


def test_a_failing_sink_stops_no_plan() -> None:
    def full(name: str, document: dict[str, Any]) -> None:
        raise OSError("no space left on device")

    engine = Engine(full)
    engine.run(run_of_one_event(), device="none", command="c1")
    assert engine.sink_failures == 2
    assert engine.run_engine.state == "idle"
    engine.close()


def test_closing_leaves_no_thread_and_may_be_repeated() -> None:
    before = set(threading.enumerate())
    engine, other = Engine(), Engine()
    engine.close()
    other.run(bps.null(), device="none", command="c1")
    other.close()
    other.close()
    assert set(threading.enumerate()) <= before


def test_the_signal_handler_is_given_back_after_each_plan(engine: Engine) -> None:
    def plan() -> Generator[Msg, Any, Any]:
        yield from bps.null()

    before = signal.getsignal(signal.SIGINT)
    engine.run(plan(), device="none", command="c1")
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("presses", [1, 2])
def test_control_c_surfaces_after_the_plan_and_the_second_aborts_it(presses: int) -> None:
    program = f"""
import os, signal
from bluesky import plan_stubs as bps
from instruments.engine import Engine
# A shell that runs the tests in the background ignores the signal, and its children inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
engine = Engine()
ended = []
def plan():
    for press in range({presses}):
        os.kill(os.getpid(), signal.SIGINT)
        while engine.interrupts <= press:
            yield from bps.null()
    if {presses} > 1:
        yield from bps.sleep(300)
    ended.append(True)
try:
    engine.run(plan(), device="none", command="c1")
except KeyboardInterrupt:
    print("interrupted", len(ended))
def more():
    yield from bps.null()
    return "usable"
print(engine.run(more(), device="none", command="c2"))
engine.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, timeout=60
    )
    lines = done.stdout.splitlines()
    assert f"interrupted {2 - presses}" in lines, done.stderr
    assert lines[-1] == "usable"
    assert done.returncode == 0
