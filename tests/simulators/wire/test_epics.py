"""The soft IOC: the protocol's bytes, loopback alone, another boot id after a reboot."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("caproto", reason="needs the extra epics")

from golden import channel_access as golden
from sdl.core.errors import ConfigError
from simulators.wire.epics import EpicsFurnaceSimulator
from wire_room import Room, Wire, room, wait_for

SETTINGS = {"address": "tcp://127.0.0.1:0", "prefix": "SDL:F1:"}


@pytest.fixture
def there() -> Iterator[Room]:
    with room("furnace_1", "epics-furnace", SETTINGS) as made:
        yield made


@pytest.fixture
def wire(there: Room) -> Iterator[Wire]:
    with Wire(there.simulator.settings["address"]) as made:
        made.send(golden.VERSION + golden.HOST_NAME + golden.CLIENT_NAME)
        yield made


def message(wire: Wire) -> tuple[tuple[int, ...], bytes]:
    head = struct.unpack(">HHHHII", wire.read(16))
    return head, wire.read(head[1])


def channel(wire: Wire, name: str, number: int = 7) -> int:
    payload = name.encode() + b"\0" * (8 - len(name) % 8)
    wire.send(struct.pack(">HHHHII", 18, len(payload), 0, 0, number, 13) + payload)
    while True:
        head, _ = message(wire)
        if head[0] in (18, 26) and head[4] == number:
            assert head[0] == 18, f"no {name}"
            return head[5]


def read(wire: Wire, server_channel: int, kind: int = 20) -> tuple[int, Any]:
    wire.send(struct.pack(">HHHHII", 15, 0, kind, 1, server_channel, 9))
    head, payload = message(wire)
    assert (head[0], head[4], head[5]) == (15, 1, 9)
    severity = struct.unpack_from(">HH", payload)[1]
    if kind == 20:
        return severity, struct.unpack_from(">d", payload, 16)[0]
    return severity, payload[12:52].partition(b"\0")[0]


def write(wire: Wire, server_channel: int, value: float) -> int:
    wire.send(struct.pack(">HHHHIId", 19, 8, 6, 1, server_channel, 10, value))
    return message(wire)[0][0]


def test_a_reading_in_the_protocols_own_bytes(there: Room, wire: Wire) -> None:
    wire.send(golden.CREATE_CHANNEL)
    assert message(wire)[0][0] == 0  # its version
    assert wire.read(16) == golden.ACCESS_RIGHTS[:12] + struct.pack(">I", 1)  # read only
    head, _ = message(wire)
    assert (head[0], head[2], head[3], head[4]) == (18, 6, 1, 7)
    wire.send(struct.pack(">HHHHII", 15, 0, 20, 1, head[5], 9))
    answer = wire.read(40)
    assert answer[:16] == golden.DOUBLE_READ[:16]
    assert struct.unpack(">d", answer[-8:])[0] == pytest.approx(25.0, abs=2.0)


def test_setpoint_ramp_stop_by_hand(there: Room, wire: Wire) -> None:
    sp, rbv, moving, halt, ramp = (
        channel(wire, f"SDL:F1:{name}", 20 + n)
        for n, name in enumerate(("SP", "RBV", "MOVING", "STOP", "RAMP"))
    )
    assert write(wire, ramp, 60.0) == 19
    assert write(wire, sp, 325.0) == 19
    # Already when the put is acknowledged: a positioner waits for the edge.
    assert read(wire, moving) == (0, 1.0)
    there.wait(150.0)
    assert read(wire, rbv)[1] == pytest.approx(175.0, abs=2.0)
    assert write(wire, halt, 1.0) == 19
    assert read(wire, moving) == (0, 0.0)
    assert read(wire, sp)[1] == pytest.approx(175.0, abs=0.1)
    there.wait(1000.0)
    assert read(wire, rbv)[1] == pytest.approx(175.0, abs=2.0)
    for wrong in (1e6, -1.0, float("nan"), float("inf")):
        assert write(wire, sp, wrong) == 11
    assert write(wire, rbv, 5.0) == 11
    assert read(wire, sp)[1] == pytest.approx(175.0, abs=0.1)


def test_vials_are_heated_by_programs_only(there: Room, wire: Wire) -> None:
    sp = channel(wire, "SDL:F1:SP")
    there.bring("s1", "furnace_1")
    assert write(wire, sp, 325.0) == 11


def test_an_open_thermocouple_is_an_invalid_nan(there: Room, wire: Wire) -> None:
    rbv = channel(wire, "SDL:F1:RBV")
    there.ask(lambda: setattr(there.simulator.furnace.thermocouple, "broken", "open"))
    severity, value = read(wire, rbv)
    assert severity == 3
    assert value != value
    there.ask(there.simulator.furnace.thermocouple.mend)
    assert read(wire, rbv)[0] == 0


def test_a_reboot_breaks_circuits_and_changes_the_boot_id(there: Room, wire: Wire) -> None:
    before = read(wire, channel(wire, "SDL:F1:BOOT"), 14)[1]
    there.ask(there.simulator.reboot)
    assert wire.read(1) == b""
    after, setpoint_c = reconnected(there)
    assert setpoint_c == 25.0
    assert len(after) == len(before) == 16
    assert after != before


def reconnected(there: Room) -> tuple[bytes, float]:
    """Boot id and setpoint on a new circuit; one that comes too early after a boot stays silent."""
    for attempt in range(3):
        with Wire(there.simulator.settings["address"]) as again:
            again.send(golden.VERSION + golden.HOST_NAME + golden.CLIENT_NAME)
            try:
                boot = read(again, channel(again, "SDL:F1:BOOT"), 14)[1]
            except TimeoutError:
                assert attempt < 2
                continue
            return boot, read(again, channel(again, "SDL:F1:SP", 8))[1]
    raise AssertionError


def test_monitors_see_what_changes(there: Room, wire: Wire) -> None:
    sp, state = channel(wire, "SDL:F1:SP", 8), channel(wire, "SDL:F1:MOVING", 9)
    mask = struct.pack(">fffHH", 0.0, 0.0, 0.0, 1, 0)
    wire.send(struct.pack(">HHHHII", 1, 16, 6, 1, state, 77) + mask)
    assert message(wire)[0][:1] == (1,)
    wire.send(struct.pack(">HHHHIId", 19, 8, 6, 1, sp, 10, 300.0))
    seen: list[float] = []

    def look() -> bool:
        head, payload = message(wire)
        if head[0] == 1:
            seen.append(struct.unpack(">d", payload[:8])[0])
        return 1.0 in seen

    wait_for(look)
    there.wait(3600.0)
    wait_for(lambda: look() and seen[-1] == 0.0)


def test_nonsense_ends_one_circuit_only(there: Room, wire: Wire) -> None:
    rbv = channel(wire, "SDL:F1:RBV")
    with Wire(there.simulator.settings["address"]) as bad:
        bad.send(struct.pack(">HHHHII", 99, 0, 0, 0, 0, 0))
        assert bad.rest() == b""
    assert read(wire, rbv)[0] == 0


def test_a_search_by_udp_is_answered_with_the_port(there: Room) -> None:
    port = int(there.simulator.settings["address"].rpartition(":")[2])
    search = struct.pack(">HHHHII", 6, 16, 5, 13, 4, 4) + b"SDL:F1:RBV".ljust(16, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(3.0)
        client.sendto(golden.VERSION + search, ("127.0.0.1", port))
        answer = client.recv(1024)
    assert struct.unpack_from(">HHH", answer, 16)[0] == 6
    assert struct.unpack_from(">H", answer, 20)[0] == port


def test_a_frozen_ioc_accepts_and_says_nothing(there: Room, wire: Wire) -> None:
    rbv = channel(wire, "SDL:F1:RBV")
    there.ask(there.simulator.freeze)
    wire.socket.settimeout(0.2)
    wire.send(struct.pack(">HHHHII", 15, 0, 20, 1, rbv, 9))
    with pytest.raises(TimeoutError):
        wire.socket.recv(16)
    wire.socket.settimeout(3.0)
    there.ask(there.simulator.thaw)
    assert wire.socket.recv(16)


@pytest.mark.parametrize("address", ["0.0.0.0:0", "tcp://example.org:1"])
def test_only_loopback(address: str) -> None:
    with (
        pytest.raises(ConfigError, match="this machine only"),
        room("furnace_1", "epics-furnace", {"address": address, "prefix": "A:"}),
    ):
        pass


def test_two_iocs_stand_side_by_side(there: Room) -> None:
    with room("furnace_2", "epics-furnace", {**SETTINGS, "prefix": "SDL:F2:"}) as other:
        assert isinstance(other.simulator, EpicsFurnaceSimulator)
        assert other.simulator.settings["address"] != there.simulator.settings["address"]
        taken = {**SETTINGS, "address": there.simulator.settings["address"]}
        with (
            pytest.raises(ConfigError, match="cannot listen"),
            room("furnace_2", "epics-furnace", taken),
        ):
            pass
