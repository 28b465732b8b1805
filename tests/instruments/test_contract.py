"""The contract of every shipped driver, of both faces of every core, and of every simulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from bluesky import RunEngine

from instruments.cores.core import Core, Show
from instruments.devices.stored import cores_of
from instruments.drivers.job import Job
from instruments.notebook import Notebook
from instruments.registry import SHIPPED, make_drivers
from instruments.testing import cores as core_checks
from instruments.testing import simulators as simulator_checks
from instruments.testing import stations as station_checks
from instruments.testing.expect import at_once, until
from instruments.testing.faces import check_classic_face, check_fake
from instruments.testing.subject import Subject
from sdl.bench.faults.links import freeze
from sdl.bench.loopback import Room, loopback_lab, room
from sdl.cli.answer import answer
from sdl.core.capabilities import StationKind
from sdl.core.command import Verb
from sdl.core.errors import BusyError
from sdl.core.lab import LabFile, LabStation
from simulators.act import ActState
from simulators.wire.proxy import Fault, Kind
from simulators.wire.registry import SHIPPED as SIMULATED
from simulators.wire.registry import make_simulator

pytestmark = pytest.mark.timeout(240)

ANNEAL = {
    "temperature_c": 100.0, "dwell_h": 0.5, "ramp_c_per_min": 20.0, "gas": "air",
    "cooling": "hold",
}  # fmt: skip
ORDERS: dict[str, tuple[Verb, dict[str, Any]]] = {
    "dispenser": (Verb.DISPENSE, {"lot": "BaCO3-fine", "mass_mg": 50.0}),
    "mixer": (Verb.MILL, {"mill_min": 30.0}),
    "furnace_1": (Verb.ANNEAL, ANNEAL),
    "furnace_2": (Verb.ANNEAL, ANNEAL),
    "furnace_3": (Verb.ANNEAL, ANNEAL),
    "quench": (Verb.QUENCH, {"cooling": "air"}),
    "diffractometer": (Verb.SCAN, {"scan_min": 2.0}),
    "xrd_2": (Verb.SCAN, {"scan_min": 8.0}),
    "hand_mill": (Verb.MILL, {"mill_min": 30.0}),
}
"""What each station is told to do; the arm's order depends on where its vial is."""


def laboratory(folder: Path) -> LabFile:
    """The loopback laboratory, and stations for the drivers that it does not use."""
    lab = loopback_lab()
    furnace = lab.station("furnace_1").plain().model_dump()
    spare: dict[str, Any] = {"kind": StationKind.QUENCH, "coolings": ("air",), "capacity": 2}
    more = [
        LabStation(
            name="xrd_2", kind=StationKind.DIFFRACTOMETER, driver="file-drop",
            settings={
                "requests": str(folder / "asked"), "results": str(folder / "told"),
                "settle_s": 0.02,
            },
        ),
        LabStation(
            name="hand_mill", kind=StationKind.MIXER, max_mill_min=60.0, driver="human",
            settings={"inbox": str(folder / "inbox")},
        ),
        LabStation(name="spare", **spare, driver="human", settings={"inbox": "inbox"}),
    ]  # fmt: skip
    if find_spec("caproto") is not None:
        settings = {"address": "tcp://127.0.0.1:0", "prefix": "SDL:F3:"}
        furnace |= {"name": "furnace_3", "driver": "epics-furnace", "settings": settings}
        more.append(LabStation.model_validate(furnace))
    arm = lab.station("transfer")
    places = {**arm.settings["places"], "spare": 7}
    arm = arm.model_copy(update={"settings": {**arm.settings, "places": places}})
    rest = [s for s in lab.stations if s.name != "transfer"]
    return lab.model_copy(update={"stations": (*rest, *more, arm)})


LAB = laboratory(Path("/nowhere"))
STATIONS = [station.name for station in LAB.stations if station.name != "spare"]
CORES = [core.name for cores in cores_of(LAB, Path("/nowhere")).values() for core in cores]
SIMULATORS = [name for name in STATIONS if LAB.station(name).driver in SIMULATED]


def test_every_driver_and_every_simulator_is_here() -> None:
    drivers = {station.driver for station in LAB.stations}
    missing = set() if find_spec("caproto") is not None else {"epics-furnace"}
    assert drivers | missing == set(SHIPPED)
    assert set(SIMULATED) == set(SHIPPED) - {"human"}


class Contract:
    """The laboratory, and a subject for every station of it."""

    def __init__(self, here: Room, folder: Path) -> None:
        self.here = here
        self.folder = folder
        self.path = folder / "notebook.db"
        self.subjects = {name: self._subject(name) for name in STATIONS}
        self.verdicts: dict[tuple[str, str], AssertionError | None] = {}

    def core(self, name: str) -> Core:
        """The instrument of that name, of the driver in use."""
        every = (core for subject in self.subjects.values() for core in subject.driver.cores)
        return next(core for core in every if core.name == name)

    def sent_to(self, core: Core) -> Callable[[], int]:
        """Counts the requests of the instrument's station."""
        mine = (s.sent for s in self.subjects.values() if core in s.driver.cores)
        return next(mine)

    def freeze(self, thawed: bool = False) -> None:
        """Makes every instrument silent, or lets them answer again."""
        freeze(self.here, thawed=thawed)
        for name in ("asked", "told"):
            ends = [self.folder / name, self.folder / f"{name}-gone"]
            (ends[thawed]).rename(ends[not thawed])

    def judge(self, phase: str, check: Callable[[Core], None]) -> None:
        """Checks all instruments at the same time and keeps what was found."""

        def one(core: Core) -> None:
            try:
                check(core)
            except AssertionError as err:
                self.verdicts[core.name, phase] = err
            else:
                self.verdicts[core.name, phase] = None

        at_once(one, [self.core(name) for name in CORES])

    def _subject(self, name: str) -> Subject:
        station = self.here.lab.station(name)
        sample = f"V-{name}"
        if name != "transfer":
            self._bring(sample, name)

        def make() -> Any:
            site = replace(self.here.site, notebook=Notebook(self.path))
            one = self.here.lab.model_copy(update={"stations": (station,)})
            return make_drivers(one, site)[name]

        def job(label: str) -> Job:
            if name == "transfer":
                origin = self.here.site.place(sample)
                args = {"sample": sample, "origin": origin}
                goal = "spare" if origin == "rack" else "rack"
                return Job(label, Verb.TRANSFER, (sample,), {**args, "destination": goal})
            return Job(label, ORDERS[name][0], (sample,), dict(ORDERS[name][1]))

        return Subject(
            make=make,
            job=job,
            sent=lambda: self._sent(name),
            acts=lambda: len(self._acts(name)),
            tend=self._answer_requests,
            unsafe=lambda: ", ".join(
                a.label for a in self._acts(name) if a.state is ActState.RUNNING
            ),
            can_abort=name != "diffractometer",
            is_quick=name in ("dispenser", "transfer"),
        )

    def _bring(self, sample: str, station: str) -> None:
        """Puts a vial into a station by somebody's hand."""

        def carry() -> bool:
            self.here.laboratory.plant.tick()
            if self.here.world.place(sample) == "rack":
                with suppress(BusyError):
                    self.here.world.start_transfer("transfer", f"by {station}", sample, station)
            return self.here.world.place(sample) == station

        until(lambda: self.here.laboratory.ask(carry), f"{sample} stands there", within_s=10.0)
        self.here.site.notebook.put(sample, station)

    def _acts(self, station: str) -> list[Any]:
        return self.here.ask(lambda world: [a for a in world.acts() if a.station == station])

    def _sent(self, station: str) -> int:
        folders = {"xrd_2": "asked", "hand_mill": "inbox"}
        if station in folders:
            folder = self.folder / folders[station]
            return len(list(folder.rglob("*.json"))) if folder.is_dir() else 0
        return sum(proxy.requests for proxy in self.here.proxies[station])

    def _answer_requests(self) -> None:
        for path in (self.folder / "inbox").glob("*.json"):
            if not (path.parent / "answers" / path.name).exists():
                answer(path.parent, json.loads(path.read_text())["id"], ["done"], "A. Chemist")


@pytest.fixture(scope="module")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Contract]:
    folder = tmp_path_factory.mktemp("contract")
    (folder / "inbox").mkdir()
    lab = laboratory(folder)
    proxied = tuple(SIMULATORS)
    with room(folder, proxied=proxied, notebook=folder / "notebook.db", stations=lab.stations) as h:
        made = Contract(h, folder)
        yield made
        for subject in made.subjects.values():
            for core in subject.driver.cores:
                core.close()
            subject.driver.site.notebook.close()


@pytest.fixture(scope="module")
def engine() -> RunEngine:
    return RunEngine({})


@pytest.fixture(scope="module")
def silence(contract: Contract) -> Contract:
    """All instruments were frozen and came back, then all their links broke and came back."""
    contract.judge("before", core_checks.check_readings)
    contract.freeze()
    contract.judge("frozen", lambda c: core_checks.check_unreachable(c, only=(Show.HINTED,)))
    contract.judge("frozen-stop", core_checks.check_silent_stop)
    contract.judge("still-frozen", lambda c: core_checks.check_unreachable(c, only=(Show.HINTED,)))
    contract.freeze(thawed=True)
    contract.judge("thawed", core_checks.check_readings)
    proxies = [proxy for each in contract.here.proxies.values() for proxy in each]
    for proxy in proxies:
        proxy.script(Fault(Kind.HANG_UP, times=10**9))
    for name in ("asked", "told"):
        (contract.folder / name).rename(contract.folder / f"{name}-gone")
    contract.judge("gone", core_checks.check_unreachable)
    for proxy in proxies:
        proxy.script()
    for name in ("asked", "told"):
        (contract.folder / f"{name}-gone").rename(contract.folder / name)
    contract.judge("back", core_checks.check_readings)
    return contract


@pytest.fixture(params=CORES)
def core(request: pytest.FixtureRequest, contract: Contract) -> Core:
    return contract.core(request.param)


@pytest.fixture(params=STATIONS)
def subject(request: pytest.FixtureRequest, contract: Contract) -> Subject:
    return contract.subjects[request.param]


def test_names_and_channels(core: Core, contract: Contract) -> None:
    station = next(n for n, s in contract.subjects.items() if core in s.driver.cores)
    core_checks.check_names(core, station)
    core_checks.check_channels(core)


def test_identity_and_readings(core: Core) -> None:
    core_checks.check_identity(core)
    core_checks.check_readings(core)


def test_limits(core: Core, contract: Contract) -> None:
    core_checks.check_limits(core, contract.sent_to(core))


def test_close(core: Core) -> None:
    core_checks.check_close(core)


@pytest.mark.parametrize(
    "phase", ["before", "frozen", "frozen-stop", "still-frozen", "thawed", "gone", "back"]
)
@pytest.mark.parametrize("name", CORES)
def test_silence(silence: Contract, name: str, phase: str) -> None:
    found = silence.verdicts[name, phase]
    if found is not None:
        raise found


def test_classic_face(core: Core, engine: RunEngine) -> None:
    check_classic_face(core, engine)
    check_fake(type(core), engine)


@pytest.mark.skipif(find_spec("ophyd_async") is None, reason="needs the extra ophyd-async")
def test_async_face(core: Core, engine: RunEngine, contract: Contract) -> None:
    from instruments.testing.async_faces import check_async_face, check_mock

    check_async_face(core, engine)
    check_mock(core, engine, contract.sent_to(core))


def test_driver_and_refusals(subject: Subject) -> None:
    station_checks.check_driver(subject)
    station_checks.check_refusals(subject)
    station_checks.check_strangers(subject)


def test_job(subject: Subject) -> None:
    station_checks.check_job(subject)


def test_restart(subject: Subject) -> None:
    station_checks.check_restart(subject)


@pytest.mark.parametrize("name", SIMULATORS)
def test_simulator(contract: Contract, name: str) -> None:
    here, subject = contract.here, contract.subjects[name]
    simulator = here.laboratory.simulators[name]
    simulator_checks.check_endpoints(simulator)
    simulator_checks.check_garbage(simulator)
    simulator_checks.check_loopback_only(
        make_simulator, replace(here.laboratory.plant, arduinos={}), LAB.station(name)
    )
    door = getattr(simulator, "door", None)
    both = [each for each in (simulator, door) if each is not None]
    for each in both:
        here.laboratory.ask(each.freeze)
    simulator_checks.check_frozen(simulator)
    for each in both:
        here.laboratory.ask(each.reboot)
    for core in subject.driver.cores:
        core_checks.check_readings(core)


def test_stop(core: Core) -> None:
    core_checks.check_stop(core)


def test_abort(subject: Subject) -> None:
    station_checks.check_abort(subject)
