"""The simulated Aeris answers by its messages and leaves files as a real one does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from golden import aeris as golden
from sdl.analysis.xrdml import parse_xrdml, read_xrdml
from sdl.core.errors import ConfigError
from simulators.wire.xrdml import xrdml_document
from wire_room import Room, Wire, room, wait_for

ADDED = b"@SAMPLE@ADD@SAMPLE_ID=S3-c12@STATUS=normal@END"


@pytest.fixture
def aeris(tmp_path: Path) -> Iterator[Room]:
    settings = {
        "link": "tcp://127.0.0.1:0",
        "results": str(tmp_path / "xrd-results"),
        "slot": 2,
        "programs": {"sdl-2min": 2, "sdl-8min": 8},
    }
    with room("diffractometer", "aeris", settings) as made:
        yield made


def ask(aeris: Room, message: bytes) -> bytes:
    """One connection per query, closed by the instrument."""
    with Wire(aeris.simulator.settings["link"]) as wire:
        wire.send(message)
        return wire.rest()


def scan(aeris: Room, minutes: float = 2.0) -> Path:
    """Brings a vial, measures it with the golden messages, waits; returns the file's path."""
    aeris.bring("S3", "diffractometer")
    assert ask(aeris, golden.ADD) == ADDED
    assert b"fatal" not in ask(aeris, golden.MEASURE)
    aeris.wait(60.0 * minutes)
    wait_for(lambda: ask(aeris, golden.ASK_READY) == golden.READY)
    return aeris.simulator.outbox.folder / "S3-c12.xrdml"


def whole(path: Path) -> bool:
    try:
        return read_xrdml(path).sample_id != ""
    except ConfigError:
        return False


def test_states(aeris: Room) -> None:
    assert ask(aeris, golden.ASK_SYSTEM) == golden.REMOTE
    assert ask(aeris, golden.ASK_READY) == golden.READY
    assert ask(aeris, golden.ASK_SLOT) == golden.FREE
    aeris.bring("S3", "diffractometer")
    assert ask(aeris, golden.ASK_SLOT) == golden.OCCUPIED
    assert b"STATE=free" in ask(aeris, b"@STATUS_REQUEST@LOCATION=0,3@END")
    assert b"fatal" in ask(aeris, b"@STATUS_REQUEST@LOCATION=0,7@END")
    assert b"fatal" in ask(aeris, b"@HELLO@END")
    assert b"fatal" in ask(aeris, b"\xff\xfe@END")
    aeris.simulator.remote = False
    assert ask(aeris, golden.ASK_SYSTEM) == golden.LOCAL
    assert b"fatal" in ask(aeris, golden.ADD)


def test_measurement_leaves_the_pattern_of_the_vial(aeris: Room) -> None:
    aeris.bring("S3", "diffractometer")
    assert ask(aeris, golden.ADD) == ADDED
    assert b"STATUS=normal" in ask(aeris, golden.MEASURE)
    assert ask(aeris, golden.ASK_READY) == golden.BUSY
    assert ask(aeris, golden.ASK_SLOT) == golden.FREE  # it is inside
    path = aeris.simulator.outbox.folder / "S3-c12.xrdml"
    aeris.wait(119.0)
    assert ask(aeris, golden.ASK_READY) == golden.BUSY
    assert not path.exists()
    aeris.wait(1.0)
    wait_for(lambda: whole(path))
    assert ask(aeris, golden.ASK_READY) == golden.READY
    assert ask(aeris, golden.ASK_SLOT) == golden.OCCUPIED
    read = read_xrdml(path)
    assert (read.sample_id, read.status) == ("S3-c12", "Completed")
    truth = aeris.ask(lambda: aeris.world.pattern(aeris.world.acts()[-1]))
    assert read.counts == tuple(truth)
    assert (read.start_deg, read.step_deg) == (15.0, pytest.approx(0.03, abs=1e-9))
    assert b"STATUS=normal" in ask(aeris, golden.REMOVE)
    assert b"fatal" in ask(aeris, golden.REMOVE)


def test_a_file_appears_in_two_parts(aeris: Room) -> None:
    path = scan(aeris)
    sizes = set[int]()

    def grown() -> bool:
        if path.exists():
            sizes.add(path.stat().st_size)
        return whole(path)

    wait_for(grown)
    assert len(sizes - {0}) == 2


def test_refusals(aeris: Room) -> None:
    assert b"fatal" in ask(aeris, golden.MEASURE)  # never added
    assert b"fatal" in ask(aeris, golden.ADD.replace(b"sdl-2min", b"sdl-3min"))
    assert b"fatal" in ask(aeris, golden.ADD.replace(b"0,2", b"0,9"))
    assert b"fatal" in ask(aeris, golden.ADD.replace(b"S3-c12", b"../../evil"))
    assert ask(aeris, golden.ADD) == ADDED
    assert b"fatal" in ask(aeris, golden.ADD)  # there already
    assert b"fatal" in ask(aeris, golden.MEASURE)  # no vial
    aeris.bring("S3", "diffractometer")
    assert b"fatal" in ask(aeris, golden.MEASURE.replace(b"sdl-2min", b"sdl-3min"))
    assert b"normal" in ask(aeris, golden.MEASURE)
    assert b"fatal" in ask(aeris, golden.MEASURE)  # busy
    assert b"fatal" in ask(aeris, golden.REMOVE)  # inside
    assert len([a for a in aeris.world.acts() if a.verb == "scan"]) == 1


def test_moving_between_slots(aeris: Room) -> None:
    aeris.bring("S3", "diffractometer")
    ask(aeris, golden.ADD)
    assert b"normal" in ask(aeris, b"@SAMPLE@MOVE@SAMPLE_ID@AT=0,2@TO=0,4@END")
    assert ask(aeris, golden.ASK_SLOT) == golden.FREE
    assert b"occupied" in ask(aeris, b"@STATUS_REQUEST@LOCATION=0,4@END")
    assert b"fatal" in ask(aeris, b"@SAMPLE@MOVE@SAMPLE_ID@AT=0,2@TO=0,5@END")
    assert b"normal" in ask(aeris, golden.MEASURE)
    aeris.wait(120.0)
    wait_for(lambda: ask(aeris, golden.ASK_READY) == golden.READY)
    assert b"normal" in ask(aeris, b"@SAMPLE@REMOVE@SAMPLE_ID@AT=0,4@END")


def test_lost_file(aeris: Room) -> None:
    aeris.ask(aeris.simulator.lose_file)
    path = scan(aeris)
    time.sleep(0.1)
    assert not path.exists()


def test_half_file(aeris: Room) -> None:
    aeris.ask(aeris.simulator.half_file)
    path = scan(aeris)
    wait_for(path.exists)
    time.sleep(0.1)
    assert not whole(path)


def test_old_file(aeris: Room) -> None:
    aeris.ask(aeris.simulator.old_file)
    path = scan(aeris)
    wait_for(path.exists)
    assert whole(path)
    assert time.time() - path.stat().st_mtime > 3500.0


def test_foreign_file(aeris: Room) -> None:
    aeris.ask(aeris.simulator.foreign_file)
    path = scan(aeris)
    wait_for(lambda: whole(path))
    assert read_xrdml(path).sample_id == "foreign-1"


def test_power_cut(aeris: Room) -> None:
    aeris.bring("S3", "diffractometer")
    ask(aeris, golden.ADD)
    ask(aeris, golden.MEASURE)
    aeris.wait(30.0)
    aeris.ask(aeris.simulator.reboot)
    aeris.wait(200.0)
    assert ask(aeris, golden.ASK_READY) == golden.READY
    assert b"fatal" in ask(aeris, golden.MEASURE)
    assert not list(aeris.simulator.outbox.folder.iterdir())


def test_relative_results_stand_beside_the_laboratory_file(tmp_path: Path) -> None:
    from simulators.wire.aeris import AerisSimulator

    settings = {"link": "tcp://127.0.0.1:0", "results": "xrd", "slot": 2, "programs": {}}
    with room("diffractometer", "aeris", settings | {"results": str(tmp_path)}) as made:
        made.plant.folder = tmp_path
        station = made.simulator.station.model_copy(update={"settings": settings})
        assert AerisSimulator(made.plant, station).outbox.folder == tmp_path / "xrd"


def test_document_is_read_back_exactly() -> None:
    now = datetime(2024, 11, 14, 12, 53, 32, tzinfo=UTC)
    data = xrdml_document(
        "a<b&c",
        range(100),
        start_deg=10.0,
        step_deg=0.02,
        scan_min=2.0,
        started=now,
        ended=now,
    )
    assert data.startswith(b'\xef\xbb\xbf<?xml version="1.0"?>\n<xrdMeasurements xmlns=')
    read = parse_xrdml(data, "x")
    assert read.counts == tuple(range(100))
    assert read.sample_id == "a<b&c"
    assert read.wavelength_angstrom == (1.540598, 1.544426)
    assert read.counting_s == pytest.approx(120.0 * 5.542 / (1.98 + 5.542), abs=1e-3)


WORDS = ["SAMPLE", "ADD", "MEASURE", "MOVE", "REMOVE", "STATUS_REQUEST", "LOCATION=0,2", "AT=0,2"]
WORDS += ["SAMPLE_ID=x", "SAMPLE_ID", "APPLICATION=sdl-2min", "TO=", "LOCATION=", "UNIT=xrd", "="]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=60),
        st.lists(st.sampled_from(WORDS), max_size=6).map(lambda w: f"@{'@'.join(w)}".encode()),
    )
)
def test_every_message_is_answered_by_one(aeris: Room, message: bytes) -> None:
    said: bytes = aeris.ask(lambda: aeris.simulator.answer(message + b"@END"))
    assert said.isascii()
    assert said.endswith(b"@END")
    assert said.startswith(b"@")
