"""The furnace door against a scripted controller."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from instruments.cores.door import FurnaceDoor
from instruments.readout import Quality
from sdl.core.errors import DeviceError, LinkError, ProtocolError
from sdl.core.lab import Endpoint


@dataclass
class Controller:
    """Answers line by line; a door arrives after ``polls`` looks at its status."""

    polls: int = 2
    stuck: int = 0
    """Commands that do nothing."""
    deaf: int = 0
    """Requests that are answered by closing the connection."""
    silent: bool = False
    fault: bool = False
    is_open: bool = False
    heard: list[str] = field(default_factory=list)
    _left: int = 0
    _goal: bool = False

    def answer(self, line: str) -> bytes | None:
        self.heard.append(line)
        if self.silent:
            return None
        if self.deaf > 0:
            self.deaf -= 1
            raise ConnectionError
        if line in ("Open A", "Close A"):
            if self.stuck > 0:
                self.stuck -= 1
            else:
                self._left, self._goal = self.polls, line == "Open A"
        elif self._left > 0:
            self._left -= 1
            if self._left == 0:
                self.is_open = self._goal
        state = "ERROR" if self.fault else "RUNNING" if self._left > 0 else "STOP"
        position = "Open" if self.is_open else "Closed"
        return f"State: {state};Furnace A: {position};Furnace B: Closed\r\n".encode()

    @property
    def commands(self) -> list[str]:
        return [line for line in self.heard if line != "Status"]


def serve(controller: Controller, listener: socket.socket) -> None:
    while True:
        try:
            link, _ = listener.accept()
        except OSError:
            return
        with link, link.makefile("rb") as lines:
            try:
                for line in lines:
                    answer = controller.answer(line.decode().rstrip("\n"))
                    if answer is not None:
                        link.sendall(answer)
            except OSError:
                continue


@pytest.fixture
def controller() -> Controller:
    return Controller()


@pytest.fixture
def endpoint(controller: Controller) -> Iterator[Endpoint]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(controller, listener), daemon=True)
        thread.start()
        yield Endpoint(host="127.0.0.1", port=listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5.0)


def door(endpoint: Endpoint, may_open: Callable[[], None] = lambda: None) -> FurnaceDoor:
    return FurnaceDoor(
        "furnace_1_door", endpoint, "A", may_open, deadline_s=0.2, travel_s=2.0, start_s=0.05
    )


def test_opens_and_shuts_by_the_sensor(controller: Controller, endpoint: Endpoint) -> None:
    it = door(endpoint)
    it.open()
    assert controller.is_open
    assert it.is_open()
    assert it.read("position").value == "Open"
    assert it.read("state").value == "STOP"
    it.shut()
    assert not it.is_open()
    assert controller.commands == ["Open A", "Close A"]


def test_a_door_that_is_there_is_not_told_again(controller: Controller, endpoint: Endpoint) -> None:
    door(endpoint).shut()
    assert controller.commands == []


def test_a_forbidden_door_is_told_nothing(controller: Controller, endpoint: Endpoint) -> None:
    def hot() -> None:
        raise DeviceError("furnace_1 is at 640 degC")

    with pytest.raises(DeviceError, match="640 degC"):
        door(endpoint, hot).open()
    assert controller.heard == []
    door(endpoint, hot).shut()


def test_a_furnace_that_heats_up_in_between_stops_the_second_attempt(
    controller: Controller, endpoint: Endpoint
) -> None:
    controller.stuck = 1
    asked: list[int] = []

    def soon_hot() -> None:
        asked.append(1)
        if len(asked) > 2:
            raise DeviceError("furnace_1 runs a program")

    with pytest.raises(DeviceError, match="runs a program"):
        door(endpoint, soon_hot).open()
    assert controller.commands == ["Open A"]


def test_fault_10_a_door_stuck_once_is_told_again(
    controller: Controller, endpoint: Endpoint
) -> None:
    controller.stuck = 1
    door(endpoint).open()
    assert controller.commands == ["Open A", "Open A"]


def test_fault_10_a_stuck_door_quarantines_its_station(
    controller: Controller, endpoint: Endpoint
) -> None:
    controller.stuck = 99
    with pytest.raises(DeviceError, match="quarantine the station") as caught:
        door(endpoint).open()
    assert "door A did not open" in str(caught.value)
    assert controller.commands == ["Open A", "Open A"]


def test_an_error_of_the_controller_is_not_an_open_door(
    controller: Controller, endpoint: Endpoint
) -> None:
    controller.fault = controller.is_open = True
    with pytest.raises(DeviceError, match="ERROR, sensor says open"):
        door(endpoint).open()


def test_a_door_that_never_ends_running_is_given_up(
    controller: Controller, endpoint: Endpoint
) -> None:
    controller.polls = 10**9
    it = FurnaceDoor("door", endpoint, "A", deadline_s=0.2, travel_s=0.2, start_s=0.05)
    begun_s = time.monotonic()
    with pytest.raises(DeviceError, match="RUNNING"):
        it.open()
    assert time.monotonic() - begun_s < 2.0
    assert controller.commands == ["Open A"]


def test_a_lost_network_is_no_error_of_the_controller(
    controller: Controller, endpoint: Endpoint
) -> None:
    controller.silent = True
    it = door(endpoint)
    for move in (it.open, it.shut, it.is_open):
        with pytest.raises(LinkError):
            move()
    assert it.read("state").quality is Quality.UNREACHABLE
    assert controller.commands == []


def test_one_lost_answer_is_asked_for_again(controller: Controller, endpoint: Endpoint) -> None:
    controller.deaf = 1
    door(endpoint).open()
    assert controller.commands == ["Open A"]


def test_another_controller_is_named(endpoint: Endpoint) -> None:
    it = FurnaceDoor("door", endpoint, "C", deadline_s=0.2)
    with pytest.raises(ProtocolError, match="no door C"):
        it.identify()
    assert it.read("position").quality is Quality.IMPLAUSIBLE
    assert door(endpoint).identify().model == "furnace door controller"


def test_stop_ends_a_movement_that_is_waited_for(
    controller: Controller, endpoint: Endpoint
) -> None:
    controller.polls = 10**9
    it = FurnaceDoor("door", endpoint, "A", deadline_s=0.2, travel_s=20.0, start_s=20.0)
    errors: list[DeviceError] = []

    def move() -> None:
        try:
            it.open()
        except DeviceError as err:
            errors.append(err)

    thread = threading.Thread(target=move)
    thread.start()
    until_s = time.monotonic() + 5.0
    while not controller.commands and time.monotonic() < until_s:
        time.sleep(0.001)
    it.stop()
    thread.join(5.0)
    assert "was stopped" in str(errors[0])
    assert controller.commands == ["Open A"]
