"""A world's file is made whole or not at all, and what is wrong with it is told in one message."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from sdl.chemistry.system import load_system
from sdl.core.errors import LabError
from sdl.tasks.task import Task, load_task
from simulators import world_file
from simulators.act import Act
from simulators.laboratory import Laboratory, draw_laboratory
from simulators.world import World, audit

# Draws, limits the size of every file, makes the world and tells the message.
CREATE = """
import resource, sys
from pathlib import Path
from sdl.chemistry.system import load_system
from sdl.core.errors import LabError
from sdl.tasks.task import load_task
from simulators.laboratory import nominal_laboratory
from simulators.world import World

task = load_task("batio3-coarse")
hidden = nominal_laboratory(load_system(task.system), task.laboratory.shelf, ["furnace_1"])
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    World.create(Path(sys.argv[1]), task, seed=1, laboratory=hidden).close()
except LabError as err:
    sys.exit(str(err))
"""


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task("batio3-coarse")


@pytest.fixture(scope="module")
def laboratory(task: Task) -> Laboratory:
    return drawn(task, "file-test")


def drawn(task: Task, *key: str) -> Laboratory:
    furnaces = ["furnace_1", "furnace_2"]
    return draw_laboratory(
        load_system(task.system), task.hidden, task.laboratory.shelf, furnaces, *key
    )


@pytest.fixture
def path(task: Task, laboratory: Laboratory, tmp_path: Path) -> Path:
    path = tmp_path / "world.db"
    World.create(path, task, seed=1, laboratory=laboratory, campaign="one").close()
    return path


@pytest.mark.parametrize("limit", [0, 4096, 20_000, 33_000, 45_000])
@pytest.mark.skipif(sys.platform == "win32", reason="no file size limits there")
def test_a_full_disk_leaves_nothing_and_a_later_creation_works(
    task: Task, laboratory: Laboratory, tmp_path: Path, limit: int
) -> None:
    path = tmp_path / "campaign" / "world.db"
    done = subprocess.run(
        [sys.executable, "-c", CREATE, str(path), str(limit)], capture_output=True, text=True
    )
    if done.returncode == 0:
        # There was room enough, so the world is whole.
        assert limit > 30_000
        World.open(path).close()
        return
    assert "make room on the disk" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert list(path.parent.iterdir()) == []
    World.create(path, task, seed=1, laboratory=laboratory).close()
    World.open(path).close()


def test_the_new_file_needs_no_log_beside_it(path: Path) -> None:
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    with sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True) as db:
        assert db.execute("pragma quick_check").fetchone() == ("ok",)
        assert db.execute("select count(*) from meta").fetchone() == (5,)
    db.close()


def test_no_room_to_work_leaves_no_world(
    task: Task, laboratory: Laboratory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> sqlite3.Connection:
        raise LabError("the disk is full", where=path)

    path = tmp_path / "world.db"
    with monkeypatch.context() as patch:
        patch.setattr(world_file, "connect", full)
        with pytest.raises(LabError, match="full"):
            World.create(path, task, seed=1, laboratory=laboratory)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(
    task: Task, laboratory: Laboratory, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LabError, match="what to do"):
        World.create(tmp_path / "file" / "world.db", task, seed=1, laboratory=laboratory)


@pytest.mark.parametrize("size", [0, 50, 4096, 16_384])
def test_a_truncated_world_is_told_with_what_to_do(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(LabError, match="not a virtual world, or is damaged") as told:
        World.open(path)
    assert str(path) in str(told.value)
    assert told.value.got
    assert "put back" in str(told.value.do)
    assert path.stat().st_size == size
    with pytest.raises(LabError, match="put back"):
        audit(path)


@pytest.mark.parametrize(
    "sql",
    [
        "update meta set value = '{' where key = 'laboratory'",
        "delete from meta where key = 'task'",
        "delete from clock",
        "drop table vials",
        "insert into devices values ('mixer', 'oops')",
    ],
)
def test_damaged_rows_are_told(path: Path, sql: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(sql)
    db.close()
    with pytest.raises(LabError, match=r"damaged.*what to do"):
        World.open(path)


def test_the_log_of_a_lost_world_is_not_played_into_a_new_one(
    task: Task, laboratory: Laboratory, tmp_path: Path
) -> None:
    (tmp_path / "world.db-wal").write_bytes(b"of another world")
    with pytest.raises(LabError, match=r"world\.db-wal"):
        World.create(tmp_path / "world.db", task, seed=1, laboratory=laboratory)


def test_the_campaign_is_kept(path: Path) -> None:
    world = World.open(path)
    assert world.campaign == "one"
    world.close()


def weighed(task: Task, laboratory: Laboratory, seed: int = 1) -> dict[str, float]:
    world = World.create(None, task, seed=seed, laboratory=laboratory)

    def finish(act: Act) -> None:
        world.advance(act.end_s)

    finish(world.start_transfer("transfer", "c1", "S1", "dispenser"))
    finish(world.start_dispense("dispenser", "c2", "BaCO3-fine", 1000.0, {}))
    act = world.find("dispenser", "c2")
    assert act is not None
    return dict(act.result)


def test_the_seed_alone_does_not_give_the_noise(task: Task, laboratory: Laboratory) -> None:
    known = weighed(task, laboratory)
    assert known == weighed(task, Laboratory.from_json(laboratory.to_json()))
    assert known != weighed(task, laboratory, seed=2)
    assert known != weighed(task, drawn(task, "another"))
