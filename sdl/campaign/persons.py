"""What a person does to a paused campaign: release a station, enter a control."""

from __future__ import annotations

import math
from pathlib import Path

from sdl.campaign.controls import control_of, is_due, judge
from sdl.campaign.laboratory import read_lab
from sdl.campaign.opening import described
from sdl.campaign.places import url_of
from sdl.campaign.state import CampaignState
from sdl.core.errors import ConfigError
from sdl.core.event import Event, Noted, Topic
from sdl.journal.journal import Journal


def release_station(run: Path, station: str, by: str) -> str:
    """``sdl release``: returns what was done, in a sentence.

    Raises:
        ConfigError: Nobody is named, or the station is not quarantined.
        JournalError: A controller works on the campaign, or there is none.
    """
    if not by.strip():
        raise ConfigError("nobody is named", got="no --by", do="add --by 'your name'")
    with Journal.open(url_of(run)) as journal:
        state = CampaignState()
        for event in journal.events():
            state.apply(event)
        named = list(state.quarantined) if station == "all" else [station]
        owed = _controls_owed(journal, state)
        if station == "all":
            named = [name for name in named if name not in owed]
        for name in named:
            if name in owed:
                raise ConfigError(
                    f"{name} waits for its control {owed[name]}",
                    got=f"sdl release {name}",
                    do=f"make it, then `sdl control {run} {owed[name]} VALUE --by NAME`",
                )
            if name not in state.quarantined:
                raise ConfigError(
                    f"{name} is not quarantined",
                    got=name,
                    allowed=", ".join(state.quarantined) or "no station is",
                )
        notes = [
            Noted(topic=Topic.RELEASE, station=n, message=f"released by {by}", values={"by": by})
            for n in named
        ]
        journal.append(*(Event.of(state.time_s, note) for note in notes))
    words = f"released: {', '.join(named) or 'nothing'}; "
    if named:
        words += "vials that were given up there count as taken out by hand; "
    for name, each in owed.items():
        words += f"{name} waits for `sdl control {run} {each} VALUE --by NAME`; "
    return f"{words}go on with `sdl resume {run}`"


def _controls_owed(journal: Journal, state: CampaignState) -> dict[str, str]:
    """Quarantined stations whose control is due, with its name: a release alone would not last."""
    config, _ = described(journal)
    if config.lab_file is None:
        return {}
    owed: dict[str, str] = {}
    for control in read_lab(config.lab_file).controls:
        if control.station in state.quarantined and is_due(state, control):
            owed.setdefault(control.station, control.name)
    return owed


def enter_control(run: Path, name: str, value: float, by: str) -> str:
    """``sdl control``: returns what it means, in a sentence.

    Raises:
        ConfigError: No such control, no number, nobody named, or no laboratory file.
        JournalError: A controller works on the campaign, or there is none.
    """
    if not by.strip():
        raise ConfigError("nobody is named", got="no --by", do="add --by 'your name'")
    if not math.isfinite(value):
        raise ConfigError("a control finds a finite number", got=value, do="correct the value")
    with Journal.open(url_of(run)) as journal:
        config, _ = described(journal)
        if config.lab_file is None:
            raise ConfigError("this campaign has no laboratory file", got=f"lab: {config.lab}")
        controls = {c.name: c for c in read_lab(config.lab_file).controls}
        noted = judge(control_of(controls, name), value, by)
        time_s = max(event.time_s for event in journal.events())
        journal.append(*(Event.of(time_s, note) for note in noted))
    return f"{noted[0].message}; {noted[1].topic.value}: {noted[1].message}"
