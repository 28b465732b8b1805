"""Did it happen? Effects are looked at, by what the devices can tell after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from instruments.drivers.job import JobRecord, JobState
from instruments.drivers.virtual import DispenserDriver, TransferDriver, VirtualDriver
from sdl.core.command import Command, Inspection, Presence

SHORT_SHARE = 0.02
"""A dose short by less than this share is a whole dose (four times the dosing error)."""


def inspect(driver: VirtualDriver, command: Command) -> Inspection:
    """Whether a command has happened, by its label in the device's log and by its effect.

    The dispenser's vial is weighed; of a partial dose the remainder is told, under the same id, so
    that its end is the end of the command. The arm is asked where the vial is. Everything else has
    no effect that can be seen from outside, so the log, which survives a power cut, decides. A line
    of the log under the same label about something else is nothing this command did: a person must
    look.

    Args:
        driver: The station's driver.
        command: What was intended.
    """
    record = driver.record(command.id)
    if record is None:
        return _never(driver, command)
    other = _differences(driver, command, record)
    if other:
        evidence = f"{driver.name} logged {command.id} with {'; '.join(other)}"
        return Inspection(presence=Presence.UNKNOWN, evidence=evidence)
    if record.state is JobState.RUNNING:
        evidence = f"{driver.name} runs {command.id} until {record.end_s:.0f} s"
        return Inspection(presence=Presence.STARTED, evidence=evidence)
    if isinstance(driver, DispenserDriver):
        return _dose(driver, command, record)
    evidence = f"{driver.name} logged {command.id} as {record.state.value}"
    return Inspection(presence=Presence.STARTED, evidence=evidence)


def _never(driver: VirtualDriver, command: Command) -> Inspection:
    evidence = f"{driver.name} has no {command.id} in its log"
    if isinstance(driver, TransferDriver):
        sample = command.samples[0]
        place = driver.place(sample)
        evidence = f"{evidence}; {sample} is at {place}"
        if place != command.args.get("origin"):
            # Nobody told the arm to, so somebody moved the vial by hand.
            return Inspection(presence=Presence.UNKNOWN, evidence=evidence)
    return Inspection(presence=Presence.ABSENT, evidence=evidence)


def _differences(driver: VirtualDriver, command: Command, record: JobRecord) -> list[str]:
    """What the device did under the command's id that the command does not say, in words."""
    pairs: dict[str, tuple[object, object]] = {
        "verb": (record.verb.value, command.verb.value),
        "samples": (", ".join(sorted(record.samples)), ", ".join(sorted(command.samples))),
    }
    args, asked = dict(record.args), dict(command.args)
    if isinstance(driver, TransferDriver) and args.get("origin") == asked.get("destination"):
        # The vial stood where it should go already, which the arm accepts.
        args["origin"] = asked.get("origin")
    if isinstance(driver, DispenserDriver) and _is_rest(driver, args, asked, record.label):
        args, asked = {"lot": args.get("lot")}, {"lot": asked.get("lot")}
    pairs |= {name: (args.get(name), asked.get(name)) for name in [*asked, *(args.keys() - asked)]}
    return [
        f"{name} {got}, not {wanted}"
        for name, (got, wanted) in sorted(pairs.items())
        if got != wanted
    ]


def _is_rest(
    driver: DispenserDriver, args: Mapping[str, Any], asked: Mapping[str, Any], label: str
) -> bool:
    """Whether the logged dose and the command are parts of the same whole dose.

    Each part tells what the balance read before the first, so both give the whole mass.
    """
    if args.get("balance_before_mg") == asked.get("balance_before_mg"):
        # Both whole doses, or both rests of the same one.
        return "balance_before_mg" in args
    before_mg = driver.last_before_mg(label)
    first_mg = args.get("balance_before_mg", before_mg)
    if asked.get("balance_before_mg", first_mg) != first_mg:
        return False
    whole_mg = float(args["mass_mg"]) + before_mg - float(first_mg)
    asked_mg = float(asked["mass_mg"])
    # Two readings of the balance are in it.
    room_mg = max(driver.station.min_dose_mg or 0.0, SHORT_SHARE * asked_mg)
    if "balance_before_mg" in asked:
        # The command is a rest that was never sent; the log holds the dose it belongs to.
        return asked_mg <= whole_mg + room_mg
    return abs(whole_mg - asked_mg) <= room_mg


def _dose(driver: DispenserDriver, command: Command, record: JobRecord) -> Inspection:
    """Weighs the vial and compares with the balance before the dose.

    ``record`` may be that of an earlier remainder; it then holds the mass still missing by itself.
    """
    asked_mg = float(record.args["mass_mg"])
    before_mg = driver.last_before_mg(command.id)
    if driver.occupants() != command.samples:
        # The vial has left since, so the dose was accepted; its log holds both readings.
        now_mg = float(driver.result(command.id)["balance_after_mg"])
        looked = "the log"
    else:
        now_mg, looked = driver.weigh(), "the balance"
    missing_mg = asked_mg - (now_mg - before_mg)
    evidence = f"{looked} of {driver.name} reads {now_mg - before_mg:.1f} mg of {asked_mg:.1f} mg"
    smallest_mg = driver.station.min_dose_mg or 0.0
    if missing_mg <= max(smallest_mg, SHORT_SHARE * asked_mg):
        return Inspection(presence=Presence.STARTED, evidence=evidence)
    first_mg = record.args.get("balance_before_mg", before_mg)
    args = {
        **command.args,
        "mass_mg": round(missing_mg, 1),
        "balance_before_mg": first_mg,
    }
    remainder = command.model_copy(update={"args": args})
    return Inspection(presence=Presence.PARTIAL, remainder=remainder, evidence=evidence)
