"""What a sample is doing, in words that status and live display share."""

from __future__ import annotations

from sdl.campaign.state import RACK, CampaignState, SampleProgress
from sdl.core.command import Command, Verb
from sdl.core.property import QUANTITIES, Property


def doing(state: CampaignState, sample: SampleProgress) -> str:
    """``anneals at 735 °C in furnace_2``, ``waits on the rack for a furnace``."""
    if sample.open_command is not None:
        return _command(state.commands[sample.open_command])
    if sample.failure is not None:
        return f"failed: {sample.failure}"
    act = sample.next_act
    place = "on the rack" if sample.place == RACK else f"in {sample.place}"
    if act is None:
        return f"made and measured, {place}"
    return f"waits {place} for the {act.kind.value}"


def _command(command: Command) -> str:
    args = command.args
    match command.verb:
        case Verb.TRANSFER:
            return f"goes from {args['origin']} to {args['destination']}"
        case Verb.DISPENSE:
            return f"gets {args['mass_mg']:g} mg {args['lot']} at {command.station}"
        case Verb.MILL:
            return f"is milled {args['mill_min']:g} min in {command.station}"
        case Verb.ANNEAL:
            return (
                f"anneals {args['dwell_h']:.3g} h at {args['temperature_c']:.0f} °C in "
                f"{args['gas']}, {command.station}"
            )
        case Verb.QUENCH:
            return f"cools in {args['cooling']} at {command.station}"
        case Verb.WASH:
            return (
                f"is washed {args['duration_min']:g} min in {args['solvent']} in {command.station}"
            )
        case Verb.SCAN:
            return f"is scanned {args['scan_min']:g} min in {command.station}"
        case Verb.MEASURE:
            what = QUANTITIES[Property(args["property"])].title
            return f"has its {what} measured in {command.station}"
        case Verb.REPLAY:
            return f"is looked up in {command.station}"
