"""A device that stays silent for longer than patience lasts: its act goes on, nothing is lost."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sdl.bench.faults.campaigns import begun, resumed, simulated
from sdl.bench.loopback import until
from sdl.campaign.laboratory import write_lab
from sdl.campaign.loop import Campaign, Standing
from sdl.cli.closing import closing_words
from sdl.core.command import Verb
from sdl.core.lab import LabFile
from simulators.wire.proxy import FaultProxy, behind_proxies


@pytest.fixture
def furnace_links(tmp_path: Path) -> Iterator[list[FaultProxy]]:
    """A laboratory in the folder, with a proxy at each line of its first furnace."""
    with ExitStack() as stack:
        laboratory = stack.enter_context(simulated(tmp_path))
        lab = laboratory.lab
        first = lab.station("furnace_1")
        settings, proxies = behind_proxies(first.settings, stack)
        first = first.model_copy(update={"settings": settings})
        others = [s for s in lab.stations if s.name not in ("furnace_1", "furnace_2")]
        changed = lab.model_copy(update={"stations": (*others, first), "patience_s": 1.5})
        write_lab(LabFile.model_validate(changed.model_dump()), tmp_path / "lab.yaml")
        yield proxies


def goes_on(campaign: Campaign, heated: list[str]) -> bool:
    """Whether what was heated is finished; each call asks the silent device again."""
    campaign.run()
    return all(name in campaign.state.finished for name in heated)


def heats(campaign: Campaign) -> bool:
    return any(c.verb is Verb.ANNEAL for c in campaign.state.open_commands.values())


def samples_of_the_furnace(campaign: Campaign) -> list[str]:
    found = [c for c in campaign.state.commands.values() if c.verb is Verb.ANNEAL]
    return [name for c in found for name in c.samples]


@pytest.mark.timeout(120)
def test_samples_of_a_silent_furnace_wait_and_are_finished_later(
    tmp_path: Path, furnace_links: list[FaultProxy]
) -> None:
    with begun(tmp_path, 2) as campaign:
        campaign.run(pause=lambda: heats(campaign))
        for proxy in furnace_links:
            proxy.freeze()
        assert campaign.run() is Standing.WAITING
        assert "has not answered for 1.5 s" in campaign.state.quarantined["furnace_1"]
        heated = samples_of_the_furnace(campaign)
        assert all(campaign.state.active[name].failure is None for name in heated)
        words = closing_words(campaign, Standing.WAITING, tmp_path / "run")
        assert "furnace_1 is quarantined" in words
        for proxy in furnace_links:
            proxy.thaw()
        until(lambda: goes_on(campaign, heated), "it goes on")
        assert {campaign.state.finished[n].event.state.value for n in heated} == {"finished"}
        assert "furnace_1" in campaign.state.quarantined  # a person looks at it all the same


@pytest.mark.timeout(120)
def test_a_resumed_campaign_waits_for_a_furnace_that_cannot_be_asked(
    tmp_path: Path, furnace_links: list[FaultProxy]
) -> None:
    with begun(tmp_path, 2) as campaign:
        campaign.run(pause=lambda: heats(campaign))
        heated = samples_of_the_furnace(campaign)
    for proxy in furnace_links:
        proxy.freeze()
    with resumed(tmp_path) as campaign:
        assert campaign.run() is Standing.WAITING
        assert heats(campaign)
        assert "has not answered" in campaign.state.quarantined["furnace_1"]
        for proxy in furnace_links:
            proxy.thaw()
        until(lambda: goes_on(campaign, heated), "it goes on")
        assert {campaign.state.finished[n].event.state.value for n in heated} == {"finished"}
        annealed = [c for c in campaign.state.commands.values() if c.verb is Verb.ANNEAL]
        assert len(annealed) == 1  # never sent twice
