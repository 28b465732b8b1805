"""What a target of the outbox is, and how it says that it cannot take a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sdl.core.errors import SdlError

Named = tuple[str, dict[str, Any]]
"""Name and content of one document."""


class ExportError(SdlError):
    """A target did not take a run; the journal has it still."""


class TargetDownError(ExportError):
    """Nothing goes through now: no connection, no rights, a full disk. Tried again later."""


class RunFailedError(ExportError):
    """The target answers, but failed at this run. Tried again; other runs go on."""


class RunRefusedError(ExportError):
    """This run can never be stored as it is. Told, and not tried again by itself."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it is exported.

    Attributes:
        uid: Uid of its start document.
        documents: In order; the first is the start, the last the stop.
        lost: Closed by the export, because its controller was killed.
    """

    uid: str
    documents: tuple[Named, ...]
    lost: bool = False


class Target(Protocol):
    """A place that takes runs, each whole and once."""

    @property
    def kind(self) -> str:
        """``jsonl``, ``tiled``: part of the cursor's file name."""
        ...

    @property
    def address(self) -> str:
        """Where it is, for people and for the cursor; without secrets."""
        ...

    def put(self, run: Run) -> bool:
        """Stores a run durably.

        Returns:
            False when it is there already.

        Raises:
            TargetDownError: Nothing goes through now.
            RunFailedError: The target failed at this run.
            RunRefusedError: It can never be stored.
        """
        ...

    def read(self, uid: str) -> list[Named] | None:
        """What the target holds of a run, for ``compare``; ``None`` when it is absent.

        Raises:
            ExportError: It cannot be read.
        """
        ...

    def kept(self, documents: Sequence[Named]) -> list[Named]:
        """What of these documents the target promises to keep, in the form ``read`` gives."""
        ...

    def close(self) -> None:
        """Lets go of connections."""
        ...
