"""A small campaign in a loopback laboratory of its own, for faults that befall a whole campaign."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sdl.bench.loopback import loopback_lab
from sdl.campaign.laboratory import simulate_lab, write_lab
from sdl.campaign.loop import Campaign
from sdl.campaign.opening import begin, read_config, resume
from sdl.campaign.places import JOURNAL_NAME, url_for
from sdl.campaign.state import CampaignState
from sdl.core.event import Event
from sdl.core.proposal import Proposal, Request, SampleView
from sdl.core.recipe import Recipe, Step, Stop
from sdl.journal.journal import Journal
from simulators.wire.laboratory import SimulatedLaboratory

SCALE = 14_400.0
"""Laboratory seconds in a second: a recipe of half a day takes some seconds."""


class ShortRecipes:
    """A policy that knows no chemistry: small doses, one hour warm, each a little warmer.

    No two samples share a furnace run, for no two have the same program.
    """

    name = "short-recipes"

    def propose(self, request: Request) -> Sequence[Proposal]:
        """As many as there is room for."""
        numbers = range(request.next_id, request.next_id + request.free_slots)
        return [self._proposal(number, request) for number in numbers]

    def next(self, view: SampleView) -> Step:
        """Never asked: its recipes are closed."""
        return Stop()

    def ingest(self, event: Event) -> None:
        """Learns nothing."""

    def _proposal(self, number: int, request: Request) -> Proposal:
        dose = {"lot": "BaCO3-fine", "mass_mg": 200.0}
        steps: list[dict[str, Any]] = [
            {"kind": "mix", "doses": [dose], "mill_min": 5.0},
            {
                "kind": "anneal", "temperature_c": 200.0 + 5.0 * number, "dwell_h": 1.0,
                "ramp_c_per_min": 20.0,
            },
            {"kind": "characterise", "scan_min": 2.0},
        ]  # fmt: skip
        return Proposal(
            id=f"P{number}",
            target=request.targets[0],
            recipe=Recipe.model_validate({"steps": steps}),
            reason="a short recipe",
            policy=self.name,
        )


@contextmanager
def simulated(folder: Path, clock_scale: float = SCALE) -> Iterator[SimulatedLaboratory]:
    """A laboratory of simulators with its file ``lab.yaml`` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    laboratory = simulate_lab(loopback_lab(clock_scale=clock_scale), folder)
    with laboratory:
        write_lab(laboratory.lab, folder / "lab.yaml")
        yield laboratory


def run_url(folder: Path, name: str = "run") -> str:
    """The journal's URL of a campaign of ``begun``."""
    return url_for(folder / name / JOURNAL_NAME)


def written(folder: Path, experiments: int, name: str = "run") -> Path:
    """The file of a campaign."""
    words = {
        "name": name, "task": "batio3-coarse", "policy": "random", "in_flight": 4, "seed": 1,
        "budget": {"experiments": experiments},
    }  # fmt: skip
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(words), encoding="utf-8")  # JSON is YAML
    return file


def state_of(journal: Journal) -> CampaignState:
    """Where a campaign stands, by its journal."""
    state = CampaignState()
    for event in journal.events():
        state.apply(event)
    return state


@contextmanager
def begun(folder: Path, experiments: int, name: str = "run") -> Iterator[Campaign]:
    """A new campaign in the laboratory of the folder; closed at the end.

    Args:
        folder: With ``lab.yaml``.
        experiments: Budget.
        name: Of its own folder.
    """
    config, task = read_config(written(folder, experiments, name), folder / "lab.yaml")
    campaign = begin(config, task, run_url(folder, name))
    campaign.policy = ShortRecipes()
    try:
        yield campaign
    finally:
        campaign.close()


@contextmanager
def resumed(folder: Path, name: str = "run") -> Iterator[Campaign]:
    """An earlier campaign of ``begun``; closed at the end."""
    campaign = resume(run_url(folder, name))
    campaign.policy = ShortRecipes()
    try:
        yield campaign
    finally:
        campaign.close()
