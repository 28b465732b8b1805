"""Questions that several channels share."""

from __future__ import annotations

import threading
from itertools import count

import pytest

from instruments.cores.once import Once
from sdl.core.errors import DeviceError, LinkError


def test_it_is_asked_once_within_a_glance_and_every_time_outside() -> None:
    numbers = count()
    once = Once(lambda: next(numbers))
    assert (once(), once()) == (0, 1)
    with once.held():
        assert (once(), once()) == (2, 2)
    with once.held():
        assert once() == 3
    assert once() == 4


def test_an_error_is_the_answer_to_all() -> None:
    asked: list[int] = []

    def ask() -> int:
        asked.append(1)
        raise LinkError("silent")

    once = Once(ask)
    with once.held():
        for _ in range(3):
            with pytest.raises(DeviceError, match="silent"):
                once()
    assert len(asked) == 1


def test_another_thread_asks_for_itself() -> None:
    numbers = count()
    once = Once(lambda: next(numbers))
    seen: list[int] = []
    with once.held():
        assert once() == 0
        thread = threading.Thread(target=lambda: seen.append(once()))
        thread.start()
        thread.join()
        assert once() == 0
    assert seen == [1]
