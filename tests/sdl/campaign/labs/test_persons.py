"""Persons in a laboratory of a file: shadow runs, changed files, releases."""

import json

import numpy as np
import pytest

from sdl.bench.loopback import loopback_lab
from sdl.campaign.config import CampaignConfig
from sdl.campaign.controls import is_due
from sdl.campaign.emergency import emergency_stop
from sdl.campaign.laboratory import lock_lab, note_removals, write_lab
from sdl.campaign.labs.wired import WiredLab
from sdl.campaign.loop import Standing
from sdl.campaign.opening import begin, read_config, resume
from sdl.campaign.persons import release_station
from sdl.campaign.places import url_for
from sdl.campaign.requests import open_requests
from sdl.campaign.state import CampaignState
from sdl.cli.answer import answer
from sdl.cli.campaigns import describe_status, read_status
from sdl.cli.closing import closing_words
from sdl.core.command import Command, Effect, Inspection, Presence, Verb
from sdl.core.errors import BusyError, ConfigError
from sdl.core.event import Event, Finished, Noted, Topic
from sdl.core.lab import Control
from sdl.core.material import SampleState
from sdl.report.page import write_page

CAMPAIGN = "{name: t, task: batio3-coarse, lab: lab.yaml, policy: random, seed: 3, in_flight: 1,\n\
 budget: {experiments: 1}}\n"


@pytest.fixture
def folder(tmp_path):
    write_lab(loopback_lab(), tmp_path / "lab.yaml")
    (tmp_path / "campaign.yaml").write_text(CAMPAIGN, encoding="utf-8")
    (tmp_path / "run").mkdir()
    return tmp_path


def begun(folder, **changed):
    config, task = read_config(folder / "campaign.yaml")
    return begin(config.model_copy(update=changed), task, url_of(folder))


def url_of(folder):
    return url_for(folder / "run" / "campaign.db")


def values_for(request, answers):
    args = request["args"]
    match request["verb"]:
        case "dispense":
            return ["balance_before_mg=10", f"balance_after_mg={10 + args['mass_mg']}"]
        case "anneal":
            return [f"thermocouple_c={args['temperature_c']}"]
        case "scan":
            rows = [f"{angle:.3f} 100" for angle in np.arange(10.0, 90.0, 0.02)]
            (answers / f"{request['id']}.xy").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return ["done"]


@pytest.mark.timeout(120)
def test_a_shadow_run_reaches_its_end_and_a_report(folder):
    inbox, campaign = folder / "run" / "inbox", begun(folder, shadow=True)
    for _ in range(30):
        standing = campaign.run()
        campaign.close()
        if standing is Standing.STOPPED:
            break
        (open_one,) = inbox.glob("*.json")
        request = json.loads(open_one.read_text(encoding="utf-8"))
        answer(inbox, request["id"], values_for(request, inbox / "answers"), "A")
        campaign = resume(url_of(folder))
    (finished,) = campaign.state.finished.values()
    assert finished.event.state is SampleState.FINISHED
    page = write_page(url_of(folder), folder / "report.html").read_text(encoding="utf-8")
    assert "persons did the work" in page
    assert "no controller between" in page


def test_the_status_tells_what_is_asked_and_what_is_quarantined(folder):
    campaign = begun(folder, shadow=True)
    campaign.run()
    campaign.record(
        Event.of(0.0, Noted(topic=Topic.QUARANTINE, station="mixer", message="the lid is open"))
    )
    campaign.close()
    status = read_status(folder / "run")
    assert status["quarantined"] == {"mixer": "the lid is open"}
    words = describe_status(status)
    assert "move the vial from rack to dispenser" in words
    assert "quarantined mixer: the lid is open" in words
    answer(folder / "run" / "inbox", "c1", ["done"], "A")
    assert "answered" in read_status(folder / "run")["requests"][0]


def test_nobody_is_asked_where_the_laboratory_is_gone():
    config = CampaignConfig(name="x", task="batio3-coarse", lab="/nowhere/lab.yaml")
    state = CampaignState()
    state.open_commands["c1"] = MILL
    assert open_requests(config, state, None) == []


MILL = Command(
    id="c1", station="mixer", verb=Verb.MILL, samples=("S1",), effect=Effect.IRREVERSIBLE,
    args={"mill_min": 3.0}, time_s=0.0,
)  # fmt: skip


def test_a_command_of_which_nothing_can_be_known_fails_and_the_others_go_on(folder, monkeypatch):
    campaign = begun(folder, shadow=True)
    campaign.run()
    campaign.close()
    again = resume(url_of(folder))
    unknown = Inspection(presence=Presence.UNKNOWN, evidence="the arm forgot")
    monkeypatch.setattr(again.lab, "inspect", lambda _: unknown)
    assert again.run(pause=lambda: "c1" not in again.state.open_commands) is Standing.PAUSED
    assert again.state.active["S1"].moves_failed == 1
    again.close()


def test_what_cannot_be_known_quarantines_its_station_and_frees_it_for_later(folder):
    campaign = begun(folder)
    assert isinstance(campaign.lab, WiredLab)
    notebook, driver = campaign.lab.site.notebook, campaign.lab.drivers["mixer"]
    notebook.write("mixer", "c1", {"verb": "mill", "samples": ["S7"], "args": {}, "start_s": 0.0})
    assert campaign.lab.inspect(MILL).presence is Presence.UNKNOWN
    (note,) = campaign.lab.notes()
    assert (note.topic, note.station) == (Topic.QUARANTINE, "mixer")
    assert "look at S1" in note.message
    assert driver.running() == ()
    campaign.close()


@pytest.mark.parametrize("kind", ["gone", "renamed"])
def test_a_campaign_does_not_go_on_without_a_station_it_was_begun_with(folder, kind):
    begun(folder).close()
    lab, rest = loopback_lab(), []
    for station in lab.stations:
        if station.name != "furnace_2":
            rest.append(station)
        elif kind == "renamed":
            rest.append(station.model_copy(update={"name": "oven"}))
    # The arm's places name the stations too; they are not looked at before.
    write_lab(lab.model_copy(update={"stations": tuple(rest)}), folder / "lab.yaml")
    with pytest.raises(ConfigError, match="furnace_2"):
        resume(url_of(folder))


def test_a_laboratory_that_can_make_nothing_is_refused(folder):
    lab = loopback_lab()
    kept = tuple(s for s in lab.stations if s.kind.value not in ("dispenser", "transfer"))
    write_lab(lab.model_copy(update={"stations": kept}), folder / "lab.yaml")
    with pytest.raises(ConfigError, match="no dispenser, no transfer"):
        read_config(folder / "campaign.yaml")


def test_a_laboratory_at_work_leaves_no_empty_campaign_behind(folder):
    lock = lock_lab(folder / "lab.yaml")
    with pytest.raises(BusyError, match="another controller"):
        begun(folder)
    lock.release()
    assert not (folder / "run" / "campaign.db").exists()
    begun(folder).close()


def test_a_given_up_sample_is_out_of_its_station_once_that_was_released(folder):
    campaign = begun(folder)
    assert isinstance(campaign.lab, WiredLab)
    notebook = campaign.lab.site.notebook
    notebook.put("S1", "furnace_1")
    given_up = Finished(
        sample="S1", proposal="P1", state=SampleState.FAILED, cost=0.0, furnace_hours=0.0
    )
    stuck = Event.of(0.0, Noted(topic=Topic.QUARANTINE, station="furnace_1", message="stuck"))
    campaign.run(pause=lambda: bool(campaign.state.active))
    events = [*campaign.journal.events(), Event.of(0.0, given_up), stuck]
    note_removals(notebook, loopback_lab(), events)
    assert notebook.place("S1") == "furnace_1"
    free = Event.of(0.0, Noted(topic=Topic.RELEASE, station="furnace_1", message="by A"))
    note_removals(notebook, loopback_lab(), [*events, free])
    assert notebook.place("S1") == "rack"
    campaign.close()


def test_a_control_that_is_due_is_made_and_not_released_away(folder):
    control = Control(
        name="weekly", station="dispenser", kind="check-weight", every=1, expect=1.0, tolerance=0.5
    )
    lab = loopback_lab().model_copy(update={"controls": (control,)})
    write_lab(lab, folder / "lab.yaml")
    campaign = begun(folder)
    campaign.state.uses["dispenser"] = 1
    assert is_due(campaign.state, control)
    stop = Noted(topic=Topic.QUARANTINE, station="dispenser", message="due")
    campaign.record(Event.of(0.0, stop))
    assert "`sdl control runs/x weekly VALUE --by NAME`" in closing_words(
        campaign, Standing.WAITING, "runs/x"
    )
    campaign.close()


def test_a_stop_without_a_place_for_its_file_still_stops(folder, monkeypatch):
    monkeypatch.setattr("sdl.campaign.emergency.stop_file", lambda path: path / "no" / "mark")
    monkeypatch.setattr("sdl.campaign.emergency.stop_all", lambda cores: [])
    words, safe = emergency_stop(folder / "lab.yaml", "smoke", "A", reset=False)
    assert "CONTROLLERS ARE NOT TOLD" in words
    assert "furnace_1: " in words
    assert not safe


def test_a_release_names_a_station_in_quarantine(folder):
    begun(folder).close()
    with pytest.raises(ConfigError, match="mixer is not quarantined"):
        release_station(folder / "run", "mixer", "A")
