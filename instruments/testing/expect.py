"""What the checks of the contract are written with; a broken contract is an ``AssertionError``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sdl.core.errors import DeviceError, LabError

T = TypeVar("T")
R = TypeVar("R")

POLL_S = 0.005


def expect(holds: object, what: str, got: object = None) -> None:
    """States what must hold.

    Raises:
        AssertionError: It does not; says what was found.
    """
    if not holds:
        raise AssertionError(f"it must hold that {what}; found: {got!r}")


def refused(order: Callable[[], object], what: str) -> LabError:
    """The error an order is refused with, in the laboratory's own words.

    Args:
        order: What must be refused.
        what: The order in words.

    Raises:
        AssertionError: It was carried out, or failed with an error that callers do not know.
    """
    try:
        order()
    except LabError as err:
        return err
    except Exception as err:
        raise AssertionError(f"{what} must be refused by a LabError, not by {err!r}") from err
    raise AssertionError(f"{what} must be refused, and was not")


def until(look: Callable[[], T | None], what: str, *, within_s: float) -> T:
    """Looks again and again until there is something; returns it.

    Args:
        look: Returns something true at the end; a ``DeviceError`` counts as nothing.
        what: What is waited for, in words.
        within_s: Wall time, s.

    Raises:
        AssertionError: Nothing within the time.
    """
    end_s = time.monotonic() + within_s
    while True:
        try:
            found, why = look(), ""
        except DeviceError as err:
            found, why = None, f" ({err})"
        if found:
            return found
        if time.monotonic() > end_s:
            raise AssertionError(f"within {within_s:g} s it must happen that {what}{why}")
        time.sleep(POLL_S)


def timed(work: Callable[[], object]) -> tuple[float, DeviceError | None]:
    """Wall time of something that may fail, s, and the error it failed with."""
    begun_s = time.monotonic()
    try:
        work()
    except DeviceError as err:
        return time.monotonic() - begun_s, err
    return time.monotonic() - begun_s, None


def at_once(work: Callable[[T], R], over: Iterable[T]) -> list[R]:
    """Does the same with several things at the same time; in their order."""
    things = list(over)
    with ThreadPoolExecutor(max(len(things), 1)) as pool:
        return list(pool.map(work, things))
