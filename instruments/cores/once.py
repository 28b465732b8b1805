"""A question that several channels share: within a glance it is asked once, whatever the answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from sdl.core.errors import DeviceError

T = TypeVar("T")


class Once(Generic[T]):
    """Asks every time it is called, but within ``held`` once; other threads are not concerned.

    Args:
        ask: The question; raises ``DeviceError``, which too is the answer to all.
    """

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._mine = threading.local()

    def __call__(self) -> T:
        """The answer.

        Raises:
            DeviceError: As the question.
        """
        answers: list[T | DeviceError] | None = getattr(self._mine, "answers", None)
        if answers is None:
            return self._ask()
        if not answers:
            try:
                answers.append(self._ask())
            except DeviceError as err:
                answers.append(err)
        answer = answers[0]
        if isinstance(answer, DeviceError):
            raise answer
        return answer

    @property
    def is_held(self) -> bool:
        """Whether this thread is within ``held``."""
        return getattr(self._mine, "answers", None) is not None

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this lasts, this thread asks once."""
        self._mine.answers = []
        try:
            yield
        finally:
            self._mine.answers = None
