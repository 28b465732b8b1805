"""Open requests to persons, for whoever only looks: by the journal and the folder of requests."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from sdl.campaign.config import CampaignConfig
from sdl.campaign.laboratory import read_lab, shadow_of
from sdl.campaign.state import CampaignState
from sdl.core.errors import ConfigError


def open_requests(config: CampaignConfig, state: CampaignState, folder: Path | None) -> list[str]:
    """One sentence for each; none where the laboratory file is gone or nobody is asked.

    Args:
        config: Names the laboratory file.
        state: Its open commands are looked for.
        folder: The run's folder; a shadow run asks in its inbox.
    """
    path = config.lab_file
    if path is None or not state.open_commands:
        return []
    from instruments.drivers.human import ANSWERS
    from instruments.drivers.instructions import sentence
    from instruments.protocols.requests import Request

    try:
        lab = read_lab(path)
    except ConfigError:
        return []
    if config.shadow:
        lab = shadow_of(lab, folder or path.parent)
    inboxes = {
        s.name: path.parent / str(s.settings["inbox"]) for s in lab.stations if s.driver == "human"
    }
    said: list[str] = []
    for command in state.open_commands.values():
        inbox = inboxes.get(command.station)
        if inbox is None:
            continue
        try:
            text = (inbox / f"{command.id}.json").read_bytes()
            request = Request.model_validate_json(text)
        except (OSError, ValidationError):
            continue
        answered = (inbox / ANSWERS / f"{command.id}.json").exists()
        hint = "answered; `sdl resume` looks at the answer" if answered else ""
        said.append(sentence(request, str(inbox), hint))
    return said
