"""Events as the journal takes them from a laboratory, and as a policy may see them."""

from __future__ import annotations

from sdl.core.command import LabEvent
from sdl.core.event import CampaignBegun, Done, Event, EventKind, Failed


def ending(event: LabEvent) -> Event:
    """What is journalled of the end of a command."""
    if event.ok:
        return Event.of(event.time_s, Done(command=event.command, result=event.result))
    return Event.of(event.time_s, Failed(command=event.command, error=event.error or "unknown"))


def without_secrets(event: Event) -> Event:
    """What a policy may see: not which hidden laboratory the virtual world drew."""
    if event.kind is not EventKind.CAMPAIGN:
        return event
    begun = event.read(CampaignBegun)
    shown = {k: v for k, v in begun.config.items() if k not in ("laboratory", "store")}
    return event.model_copy(update={"payload": begun.model_copy(update={"config": shown})})
