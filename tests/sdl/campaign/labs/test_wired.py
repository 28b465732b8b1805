"""A campaign over sockets: the same loop, the same noise, real protocols."""

import threading

import pytest

from sdl.bench.in_process import InProcess
from sdl.bench.loopback import loopback_lab
from sdl.campaign.laboratory import laboratory_time_s, shadow_of, simulate_lab, write_lab
from sdl.campaign.loop import Standing
from sdl.campaign.opening import begin, read_config, resume
from sdl.campaign.places import url_for
from sdl.campaign.state import CampaignState
from sdl.cli.closing import closing_words
from sdl.core.command import Command, Effect, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, SafetyError
from sdl.core.event import Boot, Event, EventKind, Noted, Topic
from sdl.core.material import last_scan
from sdl.core.protocols import WatchedLab
from sdl.journal.boot import boot_id

SCALE = 20_000.0
CAMPAIGN = """\
name: wired
task: batio3-coarse
lab: lab.yaml
policy: random
budget: {experiments: 1}
in_flight: 1
seed: 3
"""


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    laboratory = simulate_lab(loopback_lab(clock_scale=SCALE), folder)
    with laboratory:
        write_lab(laboratory.lab, folder / "lab.yaml")
        (folder / "campaign.yaml").write_text(CAMPAIGN, encoding="utf-8")
        yield folder, laboratory


@pytest.fixture
def opened(simulated, tmp_path):
    folder, _ = simulated
    config, task = read_config(folder / "campaign.yaml")
    campaign = begin(config, task, url_for(tmp_path / "campaign.db"))
    yield campaign
    campaign.close()


@pytest.mark.timeout(300)
def test_an_experiment_over_sockets_measures_what_it_measures_in_process(opened):
    opened.run()
    state = opened.state
    finished = next(iter(state.finished.values()))
    assert finished.event.state.value == "finished"
    furnaces = [c.station for c in state.commands.values() if c.verb is Verb.ANNEAL]
    twin = InProcess(opened.task, 0)
    scan = last_scan(twin.make(finished.event.sample, finished.result.recipe, furnaces))
    target = opened.task.target
    assert scan is not None
    here, there = finished.result.observation.amount_of(target), scan.amount_of(target)
    assert abs(here.weight_fraction - there.weight_fraction) < 2.0 * max(here.sigma, 0.01)
    names = {name for name, _ in opened.journal.stored_documents()}
    assert {"start", "descriptor", "event", "stop"} <= names


def test_one_laboratory_takes_one_controller(opened, simulated, tmp_path):
    folder, _ = simulated
    config, task = read_config(folder / "campaign.yaml")
    with pytest.raises(BusyError, match="another controller drives this laboratory"):
        begin(config, task, url_for(tmp_path / "other.db"))


def command(station, verb, **args):
    return Command(
        id="c900", station=station, verb=verb, samples=("S9",), effect=Effect.IRREVERSIBLE,
        args=args, time_s=0.0,
    )  # fmt: skip


def test_what_never_happened_is_absent(opened):
    mill = command("mixer", Verb.MILL, mill_min=3.0)
    assert opened.lab.inspect(mill).presence is Presence.ABSENT
    assert opened.lab.next_event_s() is None


@pytest.mark.timeout(120)
def test_a_machine_that_works_for_long_is_left_and_taken_up_again(opened):
    assert opened.run(leave_after_s=0.0) is Standing.LEFT
    assert opened.left_s > 0.0
    words = closing_words(opened, Standing.LEFT, "runs/x")
    assert "S1: " in words
    assert "Come back on" in words
    ended = len(opened.state.ended_s)
    opened.run(pause=lambda: len(opened.state.ended_s) > ended)
    assert len(opened.state.ended_s) > ended


def test_the_stop_file_refuses_starts(opened, simulated):
    folder, _ = simulated
    mark = folder / "lab.yaml.stop"
    mark.write_text("drill", encoding="utf-8")
    try:
        with pytest.raises(SafetyError, match="drill"):
            opened.lab.submit(command("mixer", Verb.MILL, mill_min=3.0))
    finally:
        mark.unlink()
    topics = {note.topic for note in opened.lab.notes()}
    assert {Topic.INTERLOCK, Topic.QUARANTINE, Topic.REFUSAL} <= topics


@pytest.mark.timeout(120)
def test_a_shadow_run_asks_a_person_and_commands_nothing(simulated, tmp_path):
    folder, laboratory = simulated
    acts = laboratory.ask(lambda: len(laboratory.plant.world.acts()))
    config, task = read_config(folder / "campaign.yaml")
    shadow = config.model_copy(update={"shadow": True})
    url = url_for(tmp_path / "campaign.db")
    campaign = begin(shadow, task, url)
    standing = campaign.run(pause=lambda: threading.Event().is_set())
    assert isinstance(campaign.lab, WatchedLab)
    waiting = list(campaign.lab.waiting_for())
    campaign.close()
    assert standing.value == "waiting"
    assert len(waiting) == 1
    assert "S1" in waiting[0]
    assert list((tmp_path / "inbox").glob("c1.*"))
    assert laboratory.ask(lambda: len(laboratory.plant.world.acts())) == acts
    again = resume(url)
    assert again.run().value == "waiting"
    again.close()


def test_a_shadow_has_a_person_at_every_station(tmp_path):
    shadow = shadow_of(loopback_lab(), tmp_path)
    assert {s.driver for s in shadow.stations} == {"human"}
    assert shadow.clock_scale == 1.0


def test_time_goes_on_while_no_controller_runs():
    boot = Boot(
        epoch=1, boot_id=boot_id(), pid=1, monotonic_s=0.0, utc="2026-01-01T00:00:00+00:00",
        versions={}, cpu="",
    )  # fmt: skip
    events = [Event.of(0.0, boot)]
    first_s = laboratory_time_s(events, 10.0)
    assert laboratory_time_s(events, 10.0) > first_s
    later = [*events, Event.of(first_s + 1e9, Noted(topic=Topic.LINK, station="x", message="y"))]
    assert laboratory_time_s(later, 10.0) == first_s + 1e9
    elsewhere = boot.model_copy(update={"boot_id": "another"})
    assert laboratory_time_s([Event.of(0.0, elsewhere)], 1.0) > 1e6


def test_a_wrong_setting_is_refused_before_anything_is_connected(simulated, tmp_path):
    _, laboratory = simulated
    lab = laboratory.lab
    broken = lab.stations[0].model_copy(update={"settings": {"heads": {}, "tolerance_pct": 1}})
    write_lab(
        lab.model_copy(update={"stations": (broken, *lab.stations[1:])}), tmp_path / "lab.yaml"
    )
    (tmp_path / "campaign.yaml").write_text(CAMPAIGN, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"dispenser, settings\.heads"):
        read_config(tmp_path / "campaign.yaml")


def test_quarantine_is_in_the_state_until_it_is_released():
    state = CampaignState()
    state.apply(Event.of(1.0, Noted(topic=Topic.QUARANTINE, station="furnace_1", message="why")))
    assert state.quarantined == {"furnace_1": "why"}
    event = Event.of(2.0, Noted(topic=Topic.RELEASE, station="furnace_1", message="by A"))
    assert event.kind is EventKind.NOTED
    state.apply(event)
    assert state.quarantined == {}
