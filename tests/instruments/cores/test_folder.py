"""When a file in a folder counts."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.cores.folder import (
    LARGEST_BYTES,
    Folder,
    FolderCore,
    Format,
    Verdict,
    file_id,
)
from sdl.core.errors import DeviceError, LinkError, ProtocolError


def parse(data: bytes, name: str) -> str:
    """A file of this test is whole when it ends with a full stop."""
    if not data.endswith(b"."):
        raise ProtocolError("no full stop", where=name)
    return data.decode()


FORM = Format[str](parse, lambda text: text.partition(" ")[0])


def folder_at(path: Path) -> Folder:
    return Folder.of("xrd", path, "results")


def twice(
    folder: Folder, name: str = "S3.xy", after_s: float = 0.0, form: Format[str] = FORM
) -> Verdict:
    folder.look(name, form, owners=("S3",), after_s=after_s)
    return folder.look(name, form, owners=("S3",), after_s=after_s).verdict


def test_the_way_of_a_file(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    after_s = folder.mark_s()
    path = folder.root / "S3.xy"
    assert twice(folder, after_s=after_s) is Verdict.MISSING
    path.write_text("S3 half")
    assert folder.look("S3.xy", FORM, owners=("S3",), after_s=after_s).verdict is Verdict.FRESH
    with path.open("a") as file:
        file.write(" of it")
    assert folder.look("S3.xy", FORM, owners=("S3",), after_s=after_s).verdict is Verdict.CHANGING
    assert folder.look("S3.xy", FORM, owners=("S3",), after_s=after_s).verdict is Verdict.BROKEN
    with path.open("a") as file:
        file.write(".")
    assert folder.look("S3.xy", FORM, owners=("S3",), after_s=after_s).verdict is Verdict.CHANGING
    seen = folder.look("S3.xy", FORM, owners=("S3",), after_s=after_s)
    assert seen.verdict is Verdict.ACCEPTED
    assert seen.value == "S3 half of it."


def test_an_old_and_a_foreign_file_do_not_count(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    after_s = folder.mark_s()
    path = folder.root / "S3.xy"
    path.write_text("S4 x.")
    assert twice(folder, after_s=after_s) is Verdict.FOREIGN
    path.write_text("S3 x.")
    assert twice(folder, after_s=after_s) is Verdict.ACCEPTED
    os.utime(path, (after_s - 60.0, after_s - 60.0))
    assert twice(folder, after_s=after_s) is Verdict.OLD


def test_a_text_file_must_stand_still_for_long_enough(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    folder.open()
    (folder.root / "S3.xy").write_text("S3 x.")
    form = Format[str](parse, FORM.owner, settle_s=0.05)
    assert twice(folder, form=form) is Verdict.FRESH
    until_s = time.monotonic() + 5.0
    while time.monotonic() < until_s and twice(folder, form=form) is Verdict.FRESH:
        time.sleep(0.01)
    assert twice(folder, form=form) is Verdict.ACCEPTED


def test_links_pipes_and_giants_are_never_opened(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    folder.open()
    secret = tmp_path / "secret.xy"
    secret.write_text("S3 secret.")
    path = folder.root / "S3.xy"
    path.symlink_to(secret)
    assert twice(folder) is Verdict.BROKEN
    with pytest.raises(DeviceError, match="cannot be taken"):
        folder.bytes_of("S3.xy")
    path.unlink()
    os.mkfifo(path)
    assert twice(folder) is Verdict.BROKEN
    path.unlink()
    with path.open("wb") as file:
        file.truncate(LARGEST_BYTES + 1)
    assert twice(folder) is Verdict.BROKEN
    path.unlink()
    path.mkdir()
    assert twice(folder) is Verdict.BROKEN


NAMES = ["../x.xy", "/etc/passwd", "a/b.xy", "S3\0.xy", "S3.xy\n", ".xy", "x" * 70 + ".xy",
         "S3.pickle", "S3", "..xy", "a..b.xy", "S3.npy", "@END.xy"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = folder_at(tmp_path)
    for use in (
        lambda: folder.look(name, FORM, owners=("S3",), after_s=0.0),
        lambda: folder.set_aside(name),
        lambda: folder.write(name, b""),
        lambda: folder.has(name),
        lambda: folder.bytes_of(name),
    ):
        with pytest.raises(DeviceError, match="outside its folder"):
            use()
    assert list(tmp_path.iterdir()) == []


@given(st.text(max_size=12))
def test_no_text_leaves_the_folder(text: str) -> None:
    folder = Folder("xrd", Path("/nowhere/at/all"), make=False)
    try:
        assert not folder.has(f"{text}.xy")
    except DeviceError:
        return
    assert "/" not in text
    assert ".." not in text


def test_a_file_is_written_whole_and_a_link_in_its_place_is_replaced(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    folder.open()
    other = tmp_path / "other.json"
    other.write_text("keep")
    (folder.root / "c12.json").symlink_to(other)
    folder.write("c12.json", b"{}")
    assert other.read_text() == "keep"
    assert folder.bytes_of("c12.json") == b"{}"
    assert folder.names() == ("c12.json",)
    assert folder.set_aside("c12.json") is not None
    assert folder.set_aside("c12.json") is None
    assert folder.names() == ()


def test_a_reader_never_sees_half_a_written_file(tmp_path: Path) -> None:
    folder = folder_at(tmp_path)
    data = [b"a" * 200_000, b"b" * 200_000]
    folder.write("c12.json", data[0])
    writer = threading.Thread(
        target=lambda: [folder.write("c12.json", data[n % 2]) for n in range(20)]
    )
    writer.start()
    path = folder.root / "c12.json"
    while writer.is_alive():
        assert path.read_bytes() in data
    writer.join()


def test_a_share_that_is_gone_is_a_broken_link_and_never_made(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    folder = Folder.of("xrd", tmp_path, str(mount))
    for use in (
        lambda: folder.open(),
        lambda: folder.mark_s(),
        lambda: folder.look("S3.xy", FORM, owners=("S3",), after_s=0.0),
        lambda: folder.write("S3.xy", b""),
        lambda: folder.names(),
    ):
        with pytest.raises(LinkError, match="cannot use its folder"):
            use()
    assert not mount.exists()


def test_ids_are_new_safe_and_short_enough() -> None:
    assert file_id("S3", "c12").startswith("S3-c12-")
    assert file_id("S3", "c12") != file_id("S3", "c12")
    assert len(file_id("s" * 64, "c" * 64)) == 64


def test_the_core_counts_files_and_stops_nothing(tmp_path: Path) -> None:
    requests, results = Folder.of("d", tmp_path, "in"), Folder.of("d", tmp_path, "out")
    core = FolderCore("d", requests, results)
    assert core.identify().model == "file drop"
    requests.write("c1.json", b"{}")
    (results.root / ".hidden").touch()
    assert core.number("requests") == 1.0
    assert core.number("results") == 0.0
    core.stop()
    core.close()
    assert requests.names() == ("c1.json",)
