"""Faults of stations and samples: doors, balance, result files, lost vials: 10, 14, 15, 27."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from instruments.drivers.job import JobState
from sdl.bench.faults.campaigns import begun, simulated
from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import Room, loopback_lab, room, until
from sdl.campaign.loop import Campaign, Standing
from sdl.core.command import Verb
from sdl.core.errors import DeviceError
from sdl.core.material import SampleState
from simulators.act import ActState
from simulators.wire.laboratory import SimulatedLaboratory
from simulators.world import World

LOT, DOSE_MG = "BaCO3-fine", 250.0


# -- 10: doors and grippers -----------------------------------------------------------------------


@scenario(10, "door stuck, sample not gripped")
def stuck_door(folder: Path) -> str:
    """The sensor says that the door did not move: one furnace waits, the other does the work."""
    shut_s = _door_sticks_shut(folder / "shut")
    left = _door_sticks_behind_a_sample(folder / "behind")
    grips = _never_grips(folder)
    return (
        f"a furnace whose door sticks is quarantined and 3 of 3 samples end in the other one "
        f"({shut_s:.0f} s); {left}; {grips}"
    )


def _door_sticks_shut(folder: Path) -> float:
    with simulated(folder) as laboratory, begun(folder, 3) as campaign:
        _jam(laboratory, "furnace_1", "A")
        began_s = time.monotonic()
        standing = campaign.run()
        took_s = time.monotonic() - began_s
        expect(standing is Standing.STOPPED, "the campaign goes to its end", standing)
        finished = [f.event.state for f in campaign.state.finished.values()]
        expect(finished == [SampleState.FINISHED] * 3, "every sample ends well", finished)
        expect(set(campaign.state.quarantined) == {"furnace_1"}, "the furnace that sticks waits",
               campaign.state.quarantined)  # fmt: skip
        used = {c.station for c in campaign.state.commands.values() if c.verb is Verb.ANNEAL}
        expect(used == {"furnace_2"}, "the other furnace did the work", used)
        _consistent(campaign, laboratory)
    return took_s


def _door_sticks_behind_a_sample(folder: Path) -> str:
    with simulated(folder) as laboratory, begun(folder, 3) as campaign:

        def annealing() -> bool:
            commands = campaign.state.open_commands.values()
            return any(c.verb is Verb.ANNEAL and c.station == "furnace_1" for c in commands)

        campaign.run(pause=annealing)
        _jam(laboratory, "furnace_1", "A")
        standing = campaign.run()
        waiting = campaign.state.quarantined
        expect(standing is Standing.STOPPED, "the campaign goes to its end", waiting)
        ends = {name: f.event.state for name, f in campaign.state.finished.items()}
        inside = laboratory.ask(lambda: laboratory.plant.world.occupants("furnace_1"))
        expect(len(inside) == 1, "one sample is behind the door", inside)
        expect([n for n, e in ends.items() if e is not SampleState.FINISHED] == list(inside),
               "that sample alone is given up", ends)  # fmt: skip
        expect("furnace_1" in campaign.state.quarantined, "its furnace waits for a person",
               campaign.state.quarantined)  # fmt: skip
        moves = [c for c in campaign.state.commands.values()
                 if c.verb is Verb.TRANSFER and c.args["origin"] == "furnace_1"]  # fmt: skip
        expect(len(moves) <= 2, "it is tried twice at most", len(moves))
    return f"a sample behind such a door is given up after {len(moves)} attempts, 2 others finish"


def _never_grips(folder: Path) -> str:
    with room(folder) as here:
        arm: Any = here.laboratory.simulators["transfer"]
        here.ask(lambda _: arm.never_start())
        failed = here.move("S1", "mixer")
        expect(failed.state is JobState.ABORTED, "a move that never ran fails", failed)
        expect(here.site.place("S1") == "rack", "the vial is where it was", here.site.place("S1"))
        here.ask(lambda _: arm.never_start(False))
        here.move("S1", "mixer")
        there = here.ask(lambda world: world.place("S1"))
        expect(there == here.site.place("S1") == "mixer", "the next attempt moves it", there)
    return "a move that never ran is told as failed"


def _jam(laboratory: SimulatedLaboratory, furnace: str, name: str) -> None:
    simulator: Any = laboratory.simulators[furnace]
    laboratory.ask(lambda: simulator.door.jam(name))


def _consistent(campaign: Campaign, laboratory: SimulatedLaboratory) -> None:
    """Every vial is where the controller believes it, and in one place."""
    world = laboratory.plant.world
    for sample in campaign.state.finished:
        truth = laboratory.ask(lambda sample=sample: world.place(sample))
        expect(truth == "rack", f"{sample} is back on the rack", truth)


# -- 14: the balance ------------------------------------------------------------------------------


@scenario(14, "balance drifts, is unstable, overloaded, negative")
def wrong_balance(folder: Path) -> str:
    """Only two stable readings that agree are a weight; nothing is dosed without one."""
    with room(folder, stations=_hasty()) as here:
        here.move("S1", "dispenser")
        balance: Any = here.laboratory.simulators["dispenser"]
        faults: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
            "an unstable pan": (balance.unstable, lambda: balance.unstable(False)),
            "an overload": (balance.overload, lambda: balance.overload(False)),
            "an underload": (balance.underload, lambda: balance.underload(False)),
            "a negative weight": (balance.negative, balance.balance.power_up),
        }
        for what, (begin_fault, end_fault) in faults.items():
            here.ask(lambda _, begin_fault=begin_fault: begin_fault())
            refusal(lambda: _dose(here), DeviceError, of=f"a dose over {what}")
            here.ask(lambda _, end_fault=end_fault: end_fault())
        expect(not _doses(here), "no powder moved", _doses(here))
        return f"{len(faults)} faults refused before powder moved; {_drift(here, balance)}"


def _drift(here: Room, balance: Any) -> str:
    """A reading that wanders while powder falls is no dose; an empty pan is zeroed once."""
    label = _dose(here)
    here.ask(lambda _: balance.drift(60.0))
    wandered = here.wait("dispenser", label)
    expect(wandered.state is JobState.ABORTED, "a dose that is 60 mg off fails", wandered)
    here.ask(lambda _: balance.drift(-60.0))
    good = here.wait("dispenser", _dose(here))
    result = here.drivers["dispenser"].result(good.label)
    fell_mg = result["balance_after_mg"] - result["balance_before_mg"]
    expect(abs(fell_mg - DOSE_MG) < 6.0, "the next dose is right", fell_mg)
    here.move("S1", "rack")
    here.ask(lambda _: balance.drift(-40.0))
    driver: Any = here.drivers["dispenser"]
    zeroed_mg = driver.weigh(empty=True)
    expect(abs(zeroed_mg) <= 1.0, "an empty pan that shows -40 mg is zeroed once", zeroed_mg)
    here.ask(lambda _: balance.unstable())
    refusal(lambda: driver.weigh(empty=True), DeviceError, of="an empty pan that never rests")
    return f"a dose with 60 mg of drift fails, the next one is {fell_mg:.1f} of {DOSE_MG:g} mg"


def _hasty() -> tuple[Any, ...]:
    """The stations, with a balance that is waited for as long as a test can wait."""
    return tuple(
        s.model_copy(update={"settings": {**s.settings, "settle_s": 0.5}})
        if s.name == "dispenser"
        else s
        for s in loopback_lab().stations
    )


def _dose(here: Room) -> str:
    return here.start("dispenser", Verb.DISPENSE, "S1", lot=LOT, mass_mg=DOSE_MG)


def _doses(here: Room) -> list[Any]:
    return here.ask(lambda world: [a for a in world.acts() if a.verb == Verb.DISPENSE])


# -- 15: result files -----------------------------------------------------------------------------


@scenario(15, "XRD file missing, partial, old, of another sample")
def wrong_files(folder: Path) -> str:
    """A file counts only whole, new, still, and with our sample inside; the next scan is good."""
    faults = ("lose_file", "half_file", "old_file", "foreign_file")
    with ThreadPoolExecutor(len(faults)) as pool:
        told = list(pool.map(lambda fault: _scan(folder / fault, fault), faults))
    return "; ".join(told)


def _scan(folder: Path, fault: str) -> str:
    folder.mkdir()
    with room(folder) as here:
        here.move("S1", "diffractometer")
        here.ask(lambda _: getattr(here.laboratory.simulators["diffractometer"], fault)())
        failed = here.do("diffractometer", Verb.SCAN, "S1", scan_min=2.0)
        expect(failed.state is JobState.ABORTED, f"a scan with {fault} fails", failed)
        driver = here.drivers["diffractometer"]
        expect("pattern" not in driver.result(failed.label), "it has no pattern", fault)
        good = here.do("diffractometer", Verb.SCAN, "S1", scan_min=2.0)
        expect(good.state is JobState.COMPLETE, f"the scan after {fault} is good", good)
        counts = here.site.blobs.get_array(driver.result(good.label)["pattern"])
        truth = here.ask(
            lambda world: world.pattern([a for a in world.acts() if a.verb == Verb.SCAN][-1])
        )
        expect((counts == truth).all(), "the pattern is what the instrument counted")
    return f"{fault.replace('_file', '')}: failed, the next scan good"


# -- 27: lost samples -----------------------------------------------------------------------------


@scenario(27, "sample lost between stations, inventory mismatch")
def lost_sample(folder: Path) -> str:
    """Each sample is in exactly one place of the notebook, and no powder comes or goes unseen."""
    with room(folder) as here:
        arm: Any = here.laboratory.simulators["transfer"]
        here.ask(lambda _: arm.drop())
        dropped = here.move("S1", "mixer")
        expect(dropped.state is JobState.ABORTED, "a dropped vial is told", dropped)
        expect(here.site.place("S1") == "transfer", "it is neither here nor there",
               here.site.place("S1"))  # fmt: skip
        refusal(
            lambda: here.start("transfer", Verb.TRANSFER, "S1", sample="S1", origin="rack",
                               destination="mixer"),
            DeviceError, of="another move of a vial that nobody has found",
        )  # fmt: skip
        return f"a dropped vial is looked for; {_by_hand(here)}"


def _by_hand(here: Room) -> str:
    """Somebody takes a vial out of a station behind the controller's back."""
    until(lambda: here.ask(_is_still), "what fell is carried away")
    here.move("S2", "mixer")
    _carry(here, "S2", "rack")
    gone = here.move("S2", "rack")
    expect(gone.state is JobState.ABORTED, "a vial that is not there is not moved", gone)
    expect("S2" in gone.error, "the message names the vial", gone.error)
    here.move("S3", "dispenser")
    dose = here.do("dispenser", Verb.DISPENSE, "S3", lot=LOT, mass_mg=DOSE_MG)
    weighed = here.drivers["dispenser"].result(dose.label)
    _carry(here, "S3", "rack")
    before = len(_doses(here))
    refusal(
        lambda: here.start("dispenser", Verb.DISPENSE, "S3", lot=LOT, mass_mg=DOSE_MG),
        DeviceError, of="a dose onto an empty pan",
    )  # fmt: skip
    refusal(
        lambda: here.start("dispenser", Verb.DISPENSE, "S9", lot=LOT, mass_mg=DOSE_MG),
        DeviceError, of="a dose into a vial that stands elsewhere",
    )  # fmt: skip
    expect(len(_doses(here)) == before, "no powder fell on an empty pan")
    words = "vials taken by hand are missed before anything is done to them"
    return f"{words}; {_balance_of_mass(here, weighed)}"


def _is_still(world: World) -> bool:
    """Whether nothing in the laboratory works."""
    return all(act.state is not ActState.RUNNING for act in world.acts())


def _balance_of_mass(here: Room, weighed: Mapping[str, float]) -> str:
    """Bottles lose what the balance saw, and every vial is in one place."""
    task = here.world.task.laboratory
    stock = here.ask(lambda world: world.stock())
    lost_mg = sum(lot.stock_mg - stock[lot.name] for lot in task.shelf)
    fell_mg = weighed["balance_after_mg"] - weighed["balance_before_mg"]
    expect(abs(lost_mg - fell_mg) < 1.0, "bottles lose what was weighed", (lost_mg, fell_mg))
    places = [s.name for s in task.stations]
    for sample in ("S1", "S2", "S3"):
        where = [p for p in (*places, "rack") if sample in here.site.notebook.occupants(p)]
        expect(len(where) == 1, f"{sample} is in one place", where)
    return f"bottles lost {lost_mg:.1f} mg, the balance saw {fell_mg:.1f} mg"


def _carry(here: Room, sample: str, destination: str) -> None:
    """Somebody's hand moves a vial; takes its time in the world."""
    here.ask(lambda world: world.start_transfer("transfer", f"hand-{sample}", sample, destination))
    end_s = time.monotonic() + 10.0
    while here.ask(lambda world: world.place(sample)) != destination:
        expect(time.monotonic() < end_s, f"a hand carries {sample} to {destination}")
        time.sleep(0.005)
