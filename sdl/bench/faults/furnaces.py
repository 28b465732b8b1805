"""Faults of furnaces: power cuts (3, 4), thermocouples (9), over-temperature (11)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from instruments.drivers.job import JobRecord, JobState
from instruments.transports.modbus import ModbusLink
from sdl.bench.faults.campaigns import SCALE, begun, resumed, run_url, simulated
from sdl.bench.faults.provoking import at_once
from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import Room, room, until
from sdl.campaign.laboratory import write_lab
from sdl.campaign.loop import Campaign, Standing
from sdl.campaign.persons import release_station
from sdl.core.command import Verb
from sdl.core.errors import DeviceError, ProtocolError
from sdl.core.event import EventKind, Failed, Noted, Topic
from sdl.core.lab import Endpoint, Interlock
from sdl.core.material import SampleState
from sdl.journal.repair import damage
from simulators.act import Act, ActState
from simulators.wire.laboratory import SimulatedLaboratory

VIALS = (("furnace_1", "S1"), ("furnace_2", "S2"))
"""An EPC3000 and a 2400, each with a vial."""
SLOW = 900.0
"""Clock of laboratories in which a furnace is watched while it heats: a minute is 67 ms."""
HEATED_C = 100.0
"""Temperature from which a furnace counts as heating, degC."""
PROGRAM: dict[str, Any] = {
    "temperature_c": 700.0, "dwell_h": 2.0, "ramp_c_per_min": 20.0, "gas": "air",
    "cooling": "furnace",
}  # fmt: skip
TARGET_SP, OUTPUT, MODE = 2, 4, 23
"""Registers of both models: setpoint and output in tenths, state of the programmer."""
RESET = 1


def is_cut(act: Act) -> bool:
    """Whether an act was stopped before its end."""
    return act.state is ActState.ABORTED or "stopped_after_s" in act.args


def _shown(here: Room, furnace: str) -> dict[str, Any]:
    """What the controller shows over a connection of its own, and where its door is."""
    link = ModbusLink("witness", Endpoint.of(here.laboratory.lab.station(furnace).settings["link"]))
    shown = {"mode": link.read(MODE)[0], "output_pct": link.read(OUTPUT)[0] / 10.0}
    shown["setpoint_c"] = link.read(TARGET_SP)[0] / 10.0
    link.close()
    return {**shown, "door_open": here.ask(lambda _: here.laboratory.plant.doors[furnace])}


def expect_off(here: Room, furnace: str, why: str) -> None:
    """The heater is off, the program reset, the door shut."""
    shown = _shown(here, furnace)
    expect(
        shown["mode"] == RESET and shown["output_pct"] == 0.0, f"{why}: the heater is off", shown
    )
    expect(shown["setpoint_c"] <= 25.0, f"{why}: the setpoint is low", shown)
    expect(not shown["door_open"], f"{why}: the door is shut", shown)


def _heating(here: Room, furnace: str, sample: str) -> str:
    """Heats a furnace with its vial; returns the command id."""
    label = here.start(furnace, Verb.ANNEAL, sample, **PROGRAM)
    until(
        lambda: here.ask(lambda world: world.temperature_c(furnace)) > HEATED_C,
        f"{furnace} heats",
    )
    return label


# -- 3 and 4: power cuts --------------------------------------------------------------------------


@scenario(3, "power loss of the laboratory")
def power_loss(folder: Path) -> str:
    """Controller and instruments go down while a furnace runs, and come back.

    The journal is whole; the sample of the furnace is given up with an error that says that it was
    interrupted, and what is known of its heat; the others are made.
    """
    with simulated(folder) as laboratory:
        with begun(folder, 3) as campaign:
            campaign.run(pause=lambda: bool(_running_anneals(laboratory)) and not _moves(campaign))
            hot = [s for act in _running_anneals(laboratory) for s in act.samples]
        laboratory.ask(lambda: _reboot_all(laboratory))
        off_s = time.monotonic()
        found = damage(run_url(folder))
        expect(found is None, "the journal is whole", found)
        with resumed(folder) as campaign:
            gone_h = (time.monotonic() - off_s) * SCALE / 3600.0
            standing = campaign.run()
            expect(
                standing is Standing.STOPPED,
                "the campaign goes to its end",
                (standing, campaign.state.quarantined),
            )
            ends = {name: f.event.state for name, f in campaign.state.finished.items()}
            errors = _errors_of_anneals(campaign)
        lost = [name for name, end in ends.items() if end is not SampleState.FINISHED]
        expect(
            sorted(lost) == sorted(hot), "the samples that were hot are given up, no other", ends
        )
        expect(all("interrupted" in words for words in errors), "the record says why", errors)
        heats = [laboratory.ask(lambda s=s: laboratory.plant.world.vial(s).history) for s in hot]
        peaks_c = [max((to_c for _, to_c, _ in heat), default=25.0) for heat in heats]
    return (
        f"power away for {gone_h:.1f} h: journal whole, {len(hot)} interrupted sample of "
        f"{len(ends)} given up (it had seen {max(peaks_c):.0f} degC), the record says: "
        f"{errors[0].partition('interrupted')[2][:120]}"
    )


def _running_anneals(laboratory: SimulatedLaboratory) -> list[Act]:
    """Programs that have run for half an hour at least."""

    def look() -> list[Act]:
        now_s, acts = laboratory.plant.tick(), laboratory.plant.world.acts()
        anneals = [a for a in acts if a.verb == Verb.ANNEAL and a.state is ActState.RUNNING]
        return [a for a in anneals if now_s - a.start_s > 300.0]

    return laboratory.ask(look)


def _moves(campaign: Campaign) -> bool:
    """Whether the arm is under way: of a move that power cut off only a person knows the end."""
    return any(c.verb is Verb.TRANSFER for c in campaign.state.open_commands.values())


def _reboot_all(laboratory: SimulatedLaboratory) -> None:
    for simulator in laboratory.simulators.values():
        simulator.reboot()
        door: Any = getattr(simulator, "door", None)
        if door is not None:
            door.reboot()


def _errors_of_anneals(campaign: Campaign) -> list[str]:
    commands = campaign.state.commands
    failed = [e.read(Failed) for e in campaign.journal.events() if e.kind is EventKind.FAILED]
    return [f.error for f in failed if commands[f.command].verb is Verb.ANNEAL]


@scenario(4, "a furnace is rebooted, its setpoint is back at 25 degC")
def rebooted_furnace(folder: Path) -> str:
    """The step is aborted and says what is known; the next program runs as if nothing had been."""
    with room(folder, clock_scale=SLOW) as here:
        for furnace, sample in VIALS:
            here.move(sample, furnace)
        records = at_once(lambda pair: _reboot(here, *pair), VIALS)
        for (furnace, _), (record, noticed_s) in zip(VIALS, records, strict=True):
            expect(record.state is JobState.ABORTED, f"{furnace}'s step is aborted", record)
            expect(
                "interrupted, the furnace lost its program" in record.error, "it says why", record
            )
            expect(noticed_s < 1.0, "it is noticed at once", noticed_s)
            expect_off(here, furnace, "after a reboot")
        driver: Any = here.drivers["furnace_1"]
        driver.core.put("setpoint_c", 30.0)
        highest = driver.core.read("setpoint_c").value
        expect(highest == 30.0, "the controller takes orders again", highest)
    longest_s = max(noticed_s for _, noticed_s in records)
    return f"both models noticed within {longest_s:.2f} s: {records[0][0].error[:150]}"


def _reboot(here: Room, furnace: str, sample: str) -> tuple[JobRecord, float]:
    label = _heating(here, furnace, sample)
    here.laboratory.ask(here.laboratory.simulators[furnace].reboot)
    off_s = time.monotonic()
    driver, notebook = here.drivers[furnace], here.site.notebook
    until(
        lambda: driver.record(label) and (notebook.read(furnace, label) or {})["halted"],
        f"{furnace} is found without its program",
    )
    noticed_s = time.monotonic() - off_s
    return here.wait(furnace, label), noticed_s


# -- 9: thermocouples -----------------------------------------------------------------------------


@scenario(9, "thermocouple broken, shorted, stuck")
def lying_thermocouple(folder: Path) -> str:
    """The step is aborted, the heater off, the door shut; nothing waits for the end of the program.

    A short that comes while the setpoint does not move is seen in the soak by its distance from it.
    """
    faults: tuple[tuple[str, Callable[[Any], None], str], ...] = (
        ("broken", lambda simulator: simulator.break_sensor("open"), "broken"),
        ("shorted", lambda simulator: simulator.break_sensor("short"), "stands at"),
        ("stuck", lambda simulator: simulator.stick(), "stands at"),
    )
    seen: dict[str, float] = {}
    for kind, do, says in faults:
        with room(folder, clock_scale=SLOW) as here:
            for furnace, sample in VIALS:
                here.move(sample, furnace)
            seen[kind] = max(at_once(partial(_lie, here, do, says), VIALS))
    words = ", ".join(f"{kind} {minutes:.1f} min" for kind, minutes in seen.items())
    return f"heater off and door shut on both models; noticed after (laboratory time) {words}"


def _lie(here: Room, do: Callable[[Any], None], says: str, pair: tuple[str, str]) -> float:
    """Makes a thermocouple lie while its furnace heats; how long that went on, min."""
    furnace, sample = pair
    label = _heating(here, furnace, sample)
    here.laboratory.ask(lambda: do(here.laboratory.simulators[furnace]))
    began_s = here.ask(lambda world: world.now_s)
    record = here.wait(furnace, label)
    expect(record.state is JobState.ABORTED and says in record.error, "it is told", record)
    expect_off(here, furnace, says)
    act = here.ask(lambda world: [a for a in world.acts() if a.station == furnace][-1])
    expect(is_cut(act), "the furnace really stopped", act)
    off_s = act.start_s + float(act.args["stopped_after_s"])
    return (off_s - began_s) / 60.0


# -- 11: over-temperature -------------------------------------------------------------------------


@scenario(11, "over-temperature, a furnace runs away")
def runaway(folder: Path) -> str:
    """The controller's own limit refuses; the interlock stops, latches, and waits for a person."""
    with room(folder) as here:
        core: Any = here.drivers["furnace_1"].cores[0]
        core.identify()  # arms the controller: its own limits are written and read back
        refusal(lambda: core.put("setpoint_c", 950.0), DeviceError, of="a setpoint above the limit")
        link = here.laboratory.lab.station("furnace_1").settings["link"]
        stranger = ModbusLink("stranger", Endpoint.of(link))
        words = refusal(
            lambda: stranger.write(TARGET_SP, 9500), ProtocolError, of="the same past the driver"
        )  # fmt: skip
        expect("illegal value (3)" in words, "the controller refuses it by itself", words)
        stranger.close()
    limit = Interlock(name="too-hot", watch="furnace_1.temperature_c", above=LIMIT_C)
    with simulated(folder / "campaign", RUNAWAY_SCALE) as laboratory:
        furnace: Any = laboratory.simulators["furnace_1"]
        lab = laboratory.lab.model_copy(update={"interlocks": (limit,)})
        write_lab(lab, folder / "campaign" / "lab.yaml")
        with begun(folder / "campaign", 3) as campaign:
            campaign.run(pause=lambda: "furnace_1" in _annealing(laboratory))
            laboratory.ask(lambda: furnace.runaway(2.0))
            campaign.run(pause=lambda: "furnace_1" in campaign.state.quarantined)
            why = campaign.state.quarantined["furnace_1"]
            laboratory.ask(furnace.mend)
            standing = campaign.run()
            expect(
                standing is Standing.STOPPED,
                "the others go to their end",
                (standing, campaign.state.quarantined, campaign.state.open_commands),
            )
            expect("furnace_1" in campaign.state.quarantined, "it stays stopped when it is cold")
            tripped = _interlocks(campaign)
            expect(len(tripped) == 1, "it trips once", tripped)
            ran = _annealing_of(laboratory, "furnace_1")
        expect(is_cut(ran), "the program was stopped", ran)
        release_station(folder / "campaign" / "run", "furnace_1", "A. Chemist")
        with resumed(folder / "campaign") as campaign:
            expect(not campaign.state.quarantined, "a person puts it back to work",
                   campaign.state.quarantined)  # fmt: skip
    return (
        f"950 degC refused by the controller itself (exception 3); {tripped[0][:90]}; latched "
        f"until released ({str(why)[:60]})"
    )


RUNAWAY_SCALE = 1800.0
"""Clock of the runaway: the interlock is looked at every 15 minutes, before the driver sees in the
soak that the thermocouple is 100 degC astray."""
LIMIT_C = 235.0
"""Limit of the interlock: the recipes of the campaign stay below, degC."""


def _annealing(laboratory: SimulatedLaboratory) -> Sequence[str]:
    return [act.station for act in _running_anneals(laboratory)]


def _annealing_of(laboratory: SimulatedLaboratory, furnace: str) -> Act:
    acts = laboratory.ask(lambda: list(laboratory.plant.world.acts()))
    return next(a for a in acts if a.verb == Verb.ANNEAL and a.station == furnace)


def _interlocks(campaign: Campaign) -> list[str]:
    notes = [e.read(Noted) for e in campaign.journal.events() if e.kind is EventKind.NOTED]
    return [note.message for note in notes if note.topic is Topic.INTERLOCK]
