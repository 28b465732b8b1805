"""Makes the laboratory that a campaign file names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sdl.campaign.config import CampaignConfig
from sdl.campaign.places import world_file
from sdl.core.event import Boot, Done, Event, EventKind, Failed
from sdl.core.extras import require_extra
from sdl.core.model import content_hash
from sdl.core.protocols import Lab
from sdl.journal.journal import Journal
from sdl.tasks.task import Task


@dataclass(frozen=True)
class Setting:
    """What a laboratory is made from."""

    config: CampaignConfig
    task: Task
    journal: Journal
    url: str
    events: Sequence[Event]
    """The journal so far."""

    @property
    def campaign(self) -> str:
        """Identity of the campaign: no two journals begin with the same start of a process."""
        first = next(e for e in self.events if e.kind is EventKind.BOOT)
        return content_hash(first.read(Boot))

    @property
    def ended(self) -> list[str]:
        """Commands whose ends are journalled."""
        done = [e.read(Done).command for e in self.events if e.kind is EventKind.DONE]
        return done + [e.read(Failed).command for e in self.events if e.kind is EventKind.FAILED]

    @property
    def has_acted(self) -> bool:
        """Whether a command was intended: then there must be a world."""
        return any(e.kind is EventKind.INTENDED for e in self.events)


def make_lab(setting: Setting) -> Lab:
    """The laboratory of a campaign, new or as it was left.

    Raises:
        LabError: The world of the campaign is lost, or belongs to another one.
        ConfigError: The journal is no file beside which a world could be kept.
        MissingExtraError: A package is not installed.
    """
    return _MAKERS.get(setting.config.lab, _wired)(setting)


def _world_words(setting: Setting) -> dict[str, Any]:
    return {
        "seed": setting.config.laboratory,
        "blobs": setting.journal.blobs,
        "path": world_file(setting.url),
        "done": setting.ended,
        "campaign": setting.campaign,
    }


def _virtual(setting: Setting) -> Lab:
    require_extra("twin", "the virtual laboratory", "numba", "scipy")
    require_extra("lab", "the virtual laboratory", "bluesky", "ophyd")
    from sdl.campaign.labs.virtual import VirtualLab

    words = {**_world_words(setting), "documents": setting.journal.documents.append}
    maker = VirtualLab.open if _exists(setting) else VirtualLab.create
    return maker(setting.task, **words)


def _fast(setting: Setting) -> Lab:
    require_extra("twin", "the fast laboratory", "numba", "scipy")
    from sdl.campaign.labs.fast import FastLab

    maker = FastLab.open if _exists(setting) else FastLab.create
    return maker(setting.task, **_world_words(setting))


def _exists(setting: Setting) -> bool:
    """A lost world must not be replaced by an empty one once anything has been done in it."""
    path = world_file(setting.url)
    return path is not None and (setting.has_acted or path.exists())


def _wired(setting: Setting) -> Lab:
    require_extra("lab", "a laboratory of instruments", "bluesky", "ophyd", "pymodbus")
    from sdl.campaign.laboratory import open_lab

    return open_lab(setting)


def _table(setting: Setting) -> Lab:
    from sdl.campaign.labs.table import TableLab

    return TableLab.create(setting.task, done=setting.ended)


_MAKERS: dict[str, Callable[[Setting], Lab]] = {
    "virtual": _virtual,
    "fast": _fast,
    "table": _table,
}
