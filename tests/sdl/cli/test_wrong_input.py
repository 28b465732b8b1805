"""Wrong input gets one message: where, what was given, what is allowed, what to do; exit code 2."""

import sqlite3
import sys

import pytest

import sdl.cli
from sdl.campaign.opening import begin, read_config
from sdl.tasks.task import load_task

GOOD = """\
name: t
task: batio3-coarse
lab: fast
policy: random
budget: {experiments: 2, furnace_hours: 400}
seed: 1
"""


@pytest.fixture
def run_sdl(monkeypatch, capsys):
    """Calls the command line in this process; returns its exit code and message."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sdl", *map(str, words)])
        code = sdl.cli.main()
        return code, capsys.readouterr().err

    return call


def written(folder, text, name="campaign.yaml"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def check(code, message, *parts):
    assert code == 2
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) == 1
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    ("old", "new", "line", "parts"),
    [
        ("policy: random", "polcy: random", 4, ["polcy", "policy", "did you mean"]),
        ("furnace_hours: 400", "furnace_hours: 400 kg", 5, ["400 kg", "hour"]),
        ("furnace_hours: 400", "furnace_hours: .nan", 5, ["nan", "finite"]),
        ("furnace_hours: 400", "furnace_hours: -3", 5, ["-3", ">= 0"]),
        ("furnace_hours: 400", "furnace_hours: -3 h", 5, ["-3", ">= 0"]),
        ("policy: random", "policy: randm", 4, ["randm", "random", "default"]),
        ("lab: fast", "lab: table", 3, ["table", "virtual"]),
        ("task: batio3-coarse", "task: batio3", 2, ["batio3", "batio3-coarse"]),
        ("task: batio3-coarse", "task: gone.yaml", 2, ["does not exist"]),
        ("seed: 1", "seed: 1\nseed: 2", 7, ["twice"]),
        ("seed: 1", "seed: [1", 7, ["YAML"]),
        ("name: t", "name: ../../etc", 1, ["etc"]),
    ],
)
def test_a_wrong_campaign_file_names_the_line(tmp_path, run_sdl, old, new, line, parts):
    file = written(tmp_path, GOOD.replace(old, new))
    for verb in ("validate", "run"):
        code, message = run_sdl(verb, file)
        check(code, message, f"{file}:{line}" if "gone" not in new else "gone.yaml", *parts)
    assert list(tmp_path.iterdir()) == [file]


def task_text():
    from importlib import resources

    return (resources.files("sdl.tasks") / "batio3-coarse.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("temperature_c: {low: 600, high: 900}", "temperature_c: {low: 600, high: 1400}", ["900"]),
        ("[[BaCO3-coarse,", "[[BaCO3-lost,", ["BaCO3-lost", "BaCO3-fine"]),
        ("dwell_h: {low: 0.5,", "dwell_h: {low: -0.5,", ["-0.5", "> 0"]),
        ("gases: [air, steam]\n  coolings", "gases: [oxygen]\n  coolings", ["oxygen", "steam"]),
    ],
)
def test_a_task_beyond_its_own_laboratory_names_the_line(tmp_path, run_sdl, old, new, parts):
    text = task_text()
    assert old in text
    task = written(tmp_path, text.replace(old, new), "mine.yaml")
    file = written(tmp_path, GOOD.replace("batio3-coarse", "mine.yaml"))
    line = text[: text.index(old)].count("\n") + 1
    code, message = run_sdl("validate", file)
    check(code, message, f"{task}:{line}", *parts)


def test_an_absent_campaign_file_is_named(tmp_path, run_sdl):
    code, message = run_sdl("run", tmp_path / "gone.yaml")
    check(code, message, "gone.yaml", "does not exist")


def test_an_absent_run_is_named(tmp_path, run_sdl):
    for verb in ("resume", "status", "report"):
        code, message = run_sdl(verb, tmp_path / "gone")
        check(code, message, "gone", "sdl run")


@pytest.fixture
def begun(tmp_path):
    """A campaign with some records and no controller; returns its folder and number of records."""
    config, task = read_config(written(tmp_path, GOOD))
    run = tmp_path / "run"
    campaign = begin(config, task, f"sqlite:///{run}/campaign.db")
    for _ in range(12):
        campaign.step()
    count = campaign.journal.last_seq
    campaign.lab.close()
    campaign.journal.close()
    return run, count


def test_a_corrupt_tail_names_the_record_and_repair_keeps_the_rest(begun, run_sdl):
    run, count = begun
    with sqlite3.connect(run / "campaign.db") as database:
        triggers = [
            name
            for (name,) in database.execute("select name from sqlite_master where type='trigger'")
        ]
        for name in triggers:
            database.execute(f"drop trigger {name}")
        database.execute(
            "update events set payload = replace(payload, '{', '{ ') where seq = ?", (count,)
        )
    database.close()
    for verb in ("resume", "status"):
        code, message = run_sdl(verb, run)
        check(code, message, f"record {count}", "--repair")
    code, message = run_sdl("resume", run, "--repair", "--no-report")
    assert code == 0
    assert "damaged" in message
    assert list(run.glob("campaign.db.damaged-*.json"))


def test_two_controllers_cannot_share_a_campaign(tmp_path, run_sdl):
    file = written(tmp_path, GOOD)
    config, task = read_config(file)
    run = tmp_path / "run"
    owner = begin(config, task, f"sqlite:///{run}/campaign.db")
    code, message = run_sdl("resume", run)
    check(code, message, "another controller", "process")
    code, message = run_sdl("run", file, "--out", run, "--fresh")
    check(code, message, "another controller")
    code, message = run_sdl("status", run)
    assert code == 0
    owner.lab.close()
    owner.journal.close()


def test_a_folder_with_a_campaign_is_not_overwritten(begun, tmp_path, run_sdl):
    run, _ = begun
    file = written(tmp_path, GOOD)
    code, message = run_sdl("run", file, "--out", run)
    check(code, message, "already", "sdl resume", "--fresh")
    code, _ = run_sdl("run", file, "--out", run, "--fresh", "--no-report")
    assert code == 0
    assert (tmp_path / "run.1" / "campaign.db").exists()


def test_approving_what_does_not_wait_is_refused(begun, run_sdl):
    run, _ = begun
    code, message = run_sdl("resume", run, "--approve", "P99", "--by", "me")
    check(code, message, "P99")
    code, message = run_sdl("resume", run, "--approve", "P1")
    check(code, message, "--by")


def test_an_unknown_bench_or_option_is_refused(run_sdl):
    code, message = run_sdl("bench", "speed")
    check(code, message, "speed", "routes")
    code, _ = run_sdl("run", "--no-such-option")
    assert code == 2


def test_the_shipped_tasks_pass_their_own_check():
    assert load_task("batio3-coarse").space is not None


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("policy: random", "policy: hottest", ["hottest", "random"]),
        ("seed: 1", "approve: {above_c: 1000 kg}", ["1000 kg", "{above_c: 1000}"]),
        ("seed: 1", "approve: sometimes", ["sometimes", "{first: 3}"]),
        ("name: t", "name: a b/c", ["letters, digits"]),
    ],
)
def test_what_validate_lets_through_run_can_begin(tmp_path, run_sdl, old, new, parts):
    code, message = run_sdl("validate", written(tmp_path, GOOD.replace(old, new)))
    check(code, message, "campaign.yaml:", *parts)


def test_a_task_without_a_published_recipe_cannot_be_run_with_it(tmp_path, run_sdl):
    text = GOOD.replace("batio3-coarse", "ybco-routes").replace("lab: fast", "lab: table")
    file = written(tmp_path, text.replace("policy: random", "policy: published"))
    code, message = run_sdl("validate", file)
    check(code, message, f"{file}:4", "published")


def test_decisions_that_contradict_or_repeat_are_refused_before_they_are_journalled(
    tmp_path, run_sdl
):
    file, run = written(tmp_path, GOOD + "approve: all\n"), tmp_path / "run"
    code, _ = run_sdl("run", file, "--out", run)
    assert code == 3
    for words in (["--reject", "P1", "--reject", "P1"], ["--approve", "P1", "--reject", "P1"]):
        code, message = run_sdl("resume", run, *words, "--by", "me")
        check(code, message, "P1", "more than once")
    code, message = run_sdl("resume", run, "--reject", "P1", "--by", " ")
    check(code, message, "--by")
    code, _ = run_sdl("status", run)
    assert code == 0


def test_a_seed_beyond_the_range_is_refused(tmp_path, run_sdl):
    code, _ = run_sdl("run", written(tmp_path, GOOD), "--seed", "99999999999999999999")
    assert code == 2
