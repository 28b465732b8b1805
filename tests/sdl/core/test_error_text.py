"""Messages are one line of bounded length, whatever was given."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sdl.core.errors import LONGEST_GOT, ConfigError, excerpt


@given(st.text(), st.text(), st.text(), st.text())
def test_a_message_is_one_printable_line(what: str, got: str, allowed: str, where: str) -> None:
    message = str(ConfigError(what, got=got, allowed=allowed, do="x", where=where))
    assert message.replace("\u00a0", " ").replace("\u202f", " ").isprintable()


def test_long_and_huge_values_are_cut() -> None:
    for value in (
        "x" * 10**6,
        [["x"] * 1000] * 1000,
        1 << 100_000,
        dict.fromkeys(range(99), "y" * 99),
    ):
        assert len(excerpt(value)) <= LONGEST_GOT
    assert len(str(ConfigError("w" * 10**6, got="g" * 10**6, allowed="a" * 10**6))) < 4000


def test_plain_messages_are_left_as_they_are() -> None:
    message = str(ConfigError("no", got="900 °C", allowed="µm", do="mend", where="a.yaml:3"))
    assert message == "a.yaml:3: no; got 900 °C; allowed: µm; what to do: mend"
