"""Controls: instruments are checked on something known, on a schedule; drift quarantines them.

A control that is due quarantines its station until a person has made it (``sdl control``): a
check-weight on the balance, a reference pattern, an empty crucible through the furnace. A result
outside its tolerance keeps the station quarantined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sdl.campaign.state import RACK, CampaignState, SampleProgress
from sdl.core.errors import ConfigError
from sdl.core.event import Noted, Topic
from sdl.core.lab import Control

ASKED = {
    "check-weight": "put the check-weight on the pan and read it, mg",
    "reference-pattern": "scan the reference and read the position of its line, degrees 2-theta",
    "empty-crucible": "weigh an empty crucible before and after a run, mg of change",
}

FAILURES = 2
"""Commands of a station that fail in a row before a person must look."""


def is_due(state: CampaignState, control: Control) -> bool:
    """Whether the station has been used often enough since the control was made last."""
    return _used(state, control) >= control.every


def _used(state: CampaignState, control: Control) -> int:
    return state.uses.get(control.station, 0) - state.checked_at.get(control.name, 0)


def due(state: CampaignState, controls: Sequence[Control]) -> list[Noted]:
    """Quarantines for controls whose time has come and whose station still works."""
    return [
        Noted(
            topic=Topic.QUARANTINE,
            station=control.station,
            message=f"the control {control.name} is due after {_used(state, control)} uses: "
            f"{ASKED[control.kind]}",
            values={"control": control.name},
        )
        for control in controls
        if is_due(state, control) and control.station not in state.quarantined
    ]


def failing(state: CampaignState) -> list[Noted]:
    """Quarantines for stations that fail again and again: the next sample would be lost too."""
    return [
        Noted(
            topic=Topic.QUARANTINE,
            station=station,
            message=f"{station} failed {count} times in a row, the last time: "
            f"{state.last_error[station]}",
        )
        for station, count in state.failures.items()
        if count >= FAILURES and station not in state.quarantined
    ]


def left_behind(state: CampaignState, sample: SampleProgress) -> list[Noted]:
    """The quarantine of the station that a given up sample stands in; none on the rack."""
    if sample.place == RACK or sample.place in state.quarantined:
        return []
    words = f"{sample.id} could not be taken out: {sample.failure}"
    return [Noted(topic=Topic.QUARANTINE, station=sample.place, message=words)]


def judge(control: Control, value: float, by: str) -> tuple[Noted, ...]:
    """What a control's result means: noted, and the station released or kept quarantined."""
    off = abs(value - control.expect)
    good = off <= control.tolerance
    verdict = "within" if good else "outside"
    noted = Noted(
        topic=Topic.CONTROL,
        station=control.station,
        message=f"{control.name} found {value:g}, {verdict} {control.expect:g} +- "
        f"{control.tolerance:g}",
        values={"control": control.name, "value": value, "good": good, "by": by},
    )
    if good:
        words = f"the control {control.name} was made by {by}"
        return noted, Noted(topic=Topic.RELEASE, station=control.station, message=words)
    words = f"drift: {noted.message}"
    return noted, Noted(topic=Topic.QUARANTINE, station=control.station, message=words)


def control_of(controls: Mapping[str, Control], name: str) -> Control:
    """The control of a name.

    Raises:
        ConfigError: There is none.
    """
    if name not in controls:
        raise ConfigError(
            "there is no such control", got=name, allowed=", ".join(controls) or "none in the file"
        )
    return controls[name]
