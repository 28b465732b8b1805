"""Store URLs: where their file is, and what is none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdl.core.errors import JournalError
from sdl.journal.store import Backend, locate


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///x.db", "x.db"),
        ("sqlite+pysqlite:///x.db", "x.db"),
        ("sqlite:///a%20b/x.db", "a b/x.db"),
        ("sqlite:///a b/x.db", "a b/x.db"),
        ("sqlite:///x.db?mode=ro", "x.db"),
        ("sqlite:///file:x.db?uri=true", "x.db"),
        ("sqlite:///a%3Fb.db", "a?b.db"),
    ],
)
def test_the_path_is_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, path: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate(url).path == tmp_path / path


def test_the_home_folder_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("sqlite:///~/x.db").path == tmp_path / "x.db"


@pytest.mark.parametrize("url", ["memory:", "sqlite://", "sqlite:///:memory:"])
def test_memory_has_no_path(url: str) -> None:
    assert (locate(url).backend, locate(url).path) == (Backend.MEMORY, None)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@h:notaport/x",
        "sqlite:///a\0b.db",
        "sqlite:///a%00b.db",
        "sqlite:///" + "d" * 300 + "/x.db",
        "sqlite:///~nobody-of-this-name/x.db",
        "sqlite:///\ud800.db",
        "sqlite://runs/x.db",
        "mysql://h/x",
        "x.db",
        "",
    ],
)
def test_what_is_no_store_is_refused(url: str) -> None:
    with pytest.raises(JournalError) as caught:
        locate(url)
    message = str(caught.value)
    assert message.isprintable()
    assert "secret" not in message
    assert "allowed: sqlite:///" in message
