"""Faults of connections: frozen devices (5) and dropped connections (6)."""

from __future__ import annotations

import math
import socket
import threading
import time
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

from instruments.cores.core import STOP_S, Core
from instruments.devices.instrument import face_of
from instruments.drivers.job import JobState
from instruments.supervisor import ALL, Supervisor
from instruments.transports.framing import until as ends_with
from instruments.transports.tcp import TcpLink
from sdl.bench.faults.provoking import (
    ORDERS,
    START_COIL,
    at_once,
    command_of,
    deaf_to,
    freeze,
    instruments_of,
    timed,
)
from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import Room, room, until
from sdl.core.command import Presence, Verb
from sdl.core.errors import LinkError
from sdl.core.event import Topic
from sdl.core.lab import Endpoint

LOOK_MAX_S = 5.0
"""Wall time that a look at an instrument with all its channels may take, s: no further channel is
asked after 3 s, and the one being asked has a deadline of its own."""


@scenario(5, "a device freezes: it takes connections and does not answer")
def frozen_device(folder: Path) -> str:
    """Every instrument of the laboratory freezes: looks, orders and stops end in time."""
    with room(folder) as here:
        cores = instruments_of(here)
        for core in cores:
            core.identify()
        for station, _, sample, _ in ORDERS[:-1]:
            here.site.notebook.put(sample, station)
        freeze(here)
        looking = threading.Thread(target=lambda: looks.extend(at_once(_looked, cores)))
        looks: list[float] = []
        looking.start()  # whoever stops an instrument finds its link taken
        stops = at_once(lambda core: timed(core.stop), cores)
        longest_s = max(wall_s for wall_s, _ in stops)
        expect(longest_s < STOP_S, "every stop ends in time, also beside a look", longest_s)
        silent = [core for core in cores if core.name != "diffractometer" and not _is_door(core)]
        for core, (_, why) in zip(cores, stops, strict=True):
            expect(bool(why) is (core in silent), f"{core.name} tells that it was not stopped", why)
        looking.join()
        expect(max(looks) < LOOK_MAX_S, "every look ends in time", max(looks))
        supervisor = Supervisor((), here.drivers)
        emergency = threading.Thread(target=lambda: ended.append(timed(stop_everything)))
        ended: list[tuple[float, str]] = []

        def stop_everything() -> None:
            supervisor.trip(ALL, "a test")

        emergency.start()
        orders = at_once(lambda order: timed(lambda: _order(here, *order)), ORDERS)
        for (station, *_), (wall_s, why) in zip(ORDERS, orders, strict=True):
            expect(station in why and "answer" in why, f"{station} tells that it is silent", why)
            expect(wall_s < STOP_S, f"an order to {station} ends in time", wall_s)
        emergency.join()
        all_s = ended[0][0]
        expect(all_s < STOP_S + 0.5, "stop_all ends in time", all_s)
        told = next(n.message for n in supervisor.notes() if n.topic is Topic.INTERLOCK)
        missing = [core.name for core in silent if core.name not in told]
        expect(not missing, "the record names every instrument that did not stop", missing)
        freeze(here, thawed=True)
        at_once(lambda core: until(lambda: _answers(core), f"{core.name} answers again"), cores)
        acts = here.ask(lambda world: [a.label for a in world.acts()])
        expect(not acts, "no late answer has started anything", acts)
    return (
        f"{len(cores)} frozen instruments: longest stop {longest_s:.1f} s, all at once "
        f"{all_s:.1f} s, longest look {max(looks):.1f} s; all unreachable, none with a number"
    )


def _answers(core: Core) -> bool:
    return not timed(core.identify)[1]


def _is_door(core: Core) -> bool:
    return core.name.endswith("_door")


def _order(here: Room, station: str, verb: Verb, sample: str, args: dict[str, Any]) -> None:
    here.start(station, verb, sample, **args)


def _looked(core: Core) -> float:
    """Looks at a frozen instrument through its ophyd face; wall time, s."""
    begun_s = time.monotonic()
    face = face_of(type(core))("", core=core, name=core.name)
    seen = {key: entry["value"] for key, entry in face.read().items()}
    wall_s = time.monotonic() - begun_s
    for key in [key for key in seen if key.endswith("_quality")]:
        value = seen.get(key.removesuffix("_quality"), seen.get(f"{key[:-8]}_"))
        expect(seen[key] == "unreachable", f"{key} is unreachable", seen[key])
        expect(_is_nothing(value), f"{key} stands beside no value", value)
    return wall_s


def _is_nothing(value: object) -> bool:
    return value == "" or (isinstance(value, float) and math.isnan(value))


@dataclass
class _Doormat:
    """Takes connections and closes them at once, as a gateway whose device is gone does.

    Args:
        times_s: When each connection came, monotonic.
    """

    times_s: list[float] = field(default_factory=list[float])

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def endpoint(self) -> Endpoint:
        """Where it listens."""
        return Endpoint(host="127.0.0.1", port=self._listener.getsockname()[1])

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.times_s.append(time.monotonic())
            peer.close()


def _hammered(endpoint: Endpoint, seconds: float) -> int:
    """Asks over one link from four threads as fast as they can; how often they asked."""
    link = TcpLink("gateway", endpoint)
    until_s = time.monotonic() + seconds

    def ask(_: int) -> int:
        asked = 0
        while time.monotonic() < until_s:
            refusal(lambda: link.exchange(b"?", ends_with(b"\\n")), LinkError, of="a dead gateway")
            asked += 1
            time.sleep(0.001)
        return asked

    return sum(at_once(ask, range(4)))


@scenario(6, "connections drop, reconnect storm")
def reconnect_storm(folder: Path) -> str:
    """Back-off with jitter, one connection at a time, and no command is sent a second time."""
    with _Doormat() as one, _Doormat() as other:
        asked = sum(at_once(lambda each: _hammered(each.endpoint, 2.0), (one, other)))
        pauses = [[b - a for a, b in pairwise(each.times_s)] for each in (one, other)]
    for times in pauses:
        expect(4 <= len(times) <= 12, "two seconds see few connections", len(times) + 1)
        expect(max(times) > 4.0 * min(times[:3]), "pauses grow", times)
    apart = max(abs(a - b) for a, b in zip(*pauses, strict=False))
    expect(apart > 0.01, "two links do not knock in step", pauses)
    with room(folder, proxied=("mixer",), clock_scale=200.0) as here:
        here.move("S1", "mixer")
        proxy, mixer = here.proxies["mixer"][0], here.drivers["mixer"]
        proxy.script(deaf_to(lambda answer: answer[7:12] == START_COIL))
        words = refusal(
            lambda: here.start("mixer", Verb.MILL, "S1", mill_min=10.0), LinkError,
            of="a start whose answer was lost",
        )  # fmt: skip
        proxy.script()
        command = command_of("c2", "mixer", Verb.MILL, "S1", mill_min=10.0)
        found = mixer.inspect(command)
        expect(found.presence is Presence.STARTED, f"the counter tells: {words}", found)
        before, drops = proxy.connections, 0
        until_s = time.monotonic() + 60.0
        record = None
        while record is None or record.state is JobState.RUNNING:
            expect(time.monotonic() < until_s, "the mill ends under a storm")
            proxy.hang_up()
            drops += 1
            time.sleep(0.01)
            try:
                record = mixer.record("c2")
            except LinkError:
                continue
        expect(record.state is JobState.COMPLETE, "the mill ends well", record)
        connections = proxy.connections - before
        expect(connections <= drops, "there is one connection at a time", connections)
        starts = b"".join(proxy.sent).count(START_COIL)
        acts = here.ask(lambda world: [a for a in world.acts() if a.verb == Verb.MILL])
        expect((starts, len(acts)) == (1, 1), "one start was sent and one was carried out", starts)
    return (
        f"{asked} requests became {sum(len(p) + 1 for p in pauses)} connections in 2 s, pauses up "
        f"to {max(max(p) for p in pauses):.2f} s; under {drops} drops one start was sent once"
    )
