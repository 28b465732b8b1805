"""What a scenario is, and the list of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sdl.core.errors import SdlError

Run = Callable[[Path], str]
"""Provokes a fault with an empty folder to work in; returns what was seen, in a sentence."""

_MODULES = (
    "controller", "furnaces", "stops", "links", "readings", "messages", "garbled", "borders",
    "stations",
)  # fmt: skip


class MisbehaviourError(SdlError):
    """The program did not behave as it must."""


@dataclass(frozen=True)
class Scenario:
    """One fault.

    Args:
        number: As in the table of ``docs/instruments.md``.
        title: The fault.
        run: Provokes it.
    """

    number: int
    title: str
    run: Run


_FOUND: dict[int, Scenario] = {}


def scenario(number: int, title: str) -> Callable[[Run], Run]:
    """Registers a function as the scenario of a fault."""

    def register(run: Run) -> Run:
        _FOUND[number] = Scenario(number, title, run)
        return run

    return register


def scenarios() -> tuple[Scenario, ...]:
    """All scenarios by number."""
    for name in _MODULES:
        import_module(f"sdl.bench.faults.{name}")
    return tuple(_FOUND[number] for number in sorted(_FOUND))


def expect(holds: object, what: str, got: object = None) -> None:
    """States what must hold.

    Args:
        holds: Whether it does.
        what: In a sentence, for the report.
        got: What was seen instead.

    Raises:
        MisbehaviourError: It does not.
    """
    if not holds:
        raise MisbehaviourError(f"expected that {what}", got=got)


def refusal(call: Callable[[], Any], *kinds: type[SdlError], of: str) -> str:
    """Calls what must be refused; returns the message.

    Args:
        call: What is tried.
        kinds: Errors it may raise.
        of: What is tried, in words.

    Raises:
        MisbehaviourError: It was not refused, or by an error of another kind.
    """
    try:
        call()
    except kinds as err:
        return str(err)
    except Exception as err:  # any other error is the finding
        raise MisbehaviourError(
            f"{of} ended in another error than a refusal", got=f"{type(err).__name__}: {err}"
        ) from err
    raise MisbehaviourError(f"{of} was not refused")
