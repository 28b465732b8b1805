"""Controller for self-driving laboratories that make inorganic materials.

The public names are imported when they are first used, so that ``import sdl`` stays light and the
check of the package layout comes before anything that a foreign package could break.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sdl.api import resume_campaign, simulate, start_campaign
    from sdl.campaign.loop import Campaign
    from sdl.core.capabilities import Capabilities
    from sdl.core.errors import SdlError
    from sdl.core.event import Event
    from sdl.core.material import Lot, Observation, Target
    from sdl.core.proposal import Prediction, Proposal, Request, SampleView
    from sdl.core.protocols import Lab, Policy
    from sdl.core.recipe import Recipe
    from sdl.tasks.task import Task, load_task

__version__ = "0.1.0"

__all__ = [
    "Campaign",
    "Capabilities",
    "Event",
    "Lab",
    "Lot",
    "Observation",
    "Policy",
    "Prediction",
    "Proposal",
    "Recipe",
    "Request",
    "SampleView",
    "SdlError",
    "Target",
    "Task",
    "__version__",
    "load_task",
    "resume_campaign",
    "simulate",
    "start_campaign",
]

_HOME = {
    "Campaign": "sdl.campaign.loop",
    "Capabilities": "sdl.core.capabilities",
    "Event": "sdl.core.event",
    "Lab": "sdl.core.protocols",
    "Lot": "sdl.core.material",
    "Observation": "sdl.core.material",
    "Policy": "sdl.core.protocols",
    "Prediction": "sdl.core.proposal",
    "Proposal": "sdl.core.proposal",
    "Recipe": "sdl.core.recipe",
    "Request": "sdl.core.proposal",
    "SampleView": "sdl.core.proposal",
    "SdlError": "sdl.core.errors",
    "Target": "sdl.core.material",
    "Task": "sdl.tasks.task",
    "load_task": "sdl.tasks.task",
    "resume_campaign": "sdl.api",
    "simulate": "sdl.api",
    "start_campaign": "sdl.api",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sdl' has no attribute {name!r}")
    from sdl._layout import check_layout

    check_layout()
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
