"""Documents of a run, with each shape of descriptor validated once."""

from __future__ import annotations

from typing import Any, ClassVar

from bluesky import Msg, RunEngine
from bluesky.bundlers import RunBundler


class OnceValidated:
    """Composes descriptors; validates those whose stream, keys and hints it has not seen before.

    A run of ours has one or two events, so the schema check of its descriptors, which depend on the
    devices alone, would be a third of the RunEngine's work.

    Args:
        compose: The composer of one run, from event-model.
    """

    _seen: ClassVar[set[str]] = set()

    def __init__(self, compose: Any) -> None:
        self._compose = compose

    def __call__(self, name: str, data_keys: dict[str, Any], **rest: Any) -> Any:
        """As ``event_model.ComposeDescriptor``."""
        shape = repr((name, data_keys, rest.get("hints"), rest.get("object_keys")))
        bundle = self._compose(name, data_keys, validate=shape not in self._seen, **rest)
        self._seen.add(shape)
        return bundle


class LeanBundler(RunBundler):
    """The RunEngine's bundler with descriptors that are validated once per shape."""

    async def open_run(self, msg: Msg) -> str:
        """Opens the run as usual, with the composer replaced."""
        uid = await super().open_run(msg)
        self._compose_descriptor = OnceValidated(self._compose_descriptor)
        return uid


class LeanRunEngine(RunEngine):
    """A RunEngine that bundles with ``LeanBundler``."""

    RunBundler = LeanBundler
