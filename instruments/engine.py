"""The RunEngine as a booked resource: one plan at a time, documents into a sink, clear errors."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

from bluesky import RunEngine
from bluesky.utils import FailedStatus, Msg, RunEngineInterrupted

from instruments.bundler import LeanRunEngine
from sdl.core.errors import BusyError, DeviceError, LabError, SdlError

DocumentSink = Callable[[str, dict[str, Any]], Any]
"""Takes the name and the content of a Bluesky document; called in the RunEngine's thread."""

_LOG = logging.getLogger(__name__)
# Failed plans are told by exceptions; with no handler at all, tracebacks would go to stderr too.
for _library in ("bluesky", "ophyd"):
    logging.getLogger(_library).addHandler(logging.NullHandler())


class Engine:
    """A RunEngine without signal handlers, to be used from one thread at a time.

    The first Ctrl-C during a plan waits for its end, which is less than a second away, and is then
    given to the caller's handler; a second one aborts the plan. An exception out of nowhere in the
    middle of a plan would leave the RunEngine neither running nor idle.

    Args:
        sink: Gets every document. One that fails never stops a plan; see ``sink_failures``.
    """

    def __init__(self, sink: DocumentSink | None = None) -> None:
        self._run_engine = LeanRunEngine(
            loop=asyncio.new_event_loop(), context_managers=[], call_returns_result=True
        )
        self._booked = threading.Lock()
        self._booked_for = ""
        self._sink = sink
        self.interrupts = 0
        """Ctrl-C pressed during the present plan."""
        self.sink_failures = 0
        """Documents the sink did not take."""
        if sink is not None:
            self._run_engine.subscribe(self._forward)

    @property
    def run_engine(self) -> RunEngine:
        """The RunEngine itself, for subscriptions and hooks."""
        return self._run_engine

    @contextmanager
    def booked(self, purpose: str) -> Iterator[None]:
        """Books the engine for one plan.

        Args:
            purpose: What for, told to whoever comes second.

        Raises:
            BusyError: Somebody else has it.
        """
        if not self._booked.acquire(blocking=False):
            raise BusyError(
                f"the RunEngine is busy with {self._booked_for}",
                got=purpose,
                do="wait until the plan has ended; plans take less than a second",
            )
        self._booked_for = purpose
        try:
            yield
        finally:
            self._booked_for = ""
            self._booked.release()

    def run(self, plan: Generator[Msg, Any, Any], *, device: str, command: str) -> Any:
        """Runs a plan to its end and returns what it returns.

        Args:
            plan: The plan.
            device: Name of the device, for messages.
            command: Command id, for messages.

        Raises:
            BusyError: A plan runs, or the device works on something else.
            DeviceError: The plan failed; names device and command, with the cause.
            LabError: Somebody paused the RunEngine.
            KeyboardInterrupt: Ctrl-C was pressed during the plan.
        """
        with self.booked(f"{command} at {device}"), self._patient():
            try:
                result: Any = self._run_engine(plan)
                return result.plan_result
            except SdlError:
                raise
            except RunEngineInterrupted as err:
                if self.interrupts > 1:
                    self._run_engine.abort("interrupted")
                elif self._run_engine.state == "paused":
                    raise LabError(
                        f"the plan of {command} at {device} was paused",
                        do="`run_engine.resume()` or `run_engine.abort()`",
                    ) from err
                raise KeyboardInterrupt from err
            except FailedStatus as err:
                cause = err.__cause__ or err
                if isinstance(cause, SdlError):
                    raise cause from err
                raise _failure(device, command, cause) from cause
            except (TimeoutError, OSError, ValueError, RuntimeError) as err:
                raise _failure(device, command, err) from err

    @contextmanager
    def _patient(self) -> Iterator[None]:
        """Holds Ctrl-C back until the plan has ended; the second one aborts the plan."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python delivers signals to the main thread only
            return
        self.interrupts = 0

        def note(_number: int, _frame: object) -> None:
            self.interrupts += 1
            if self.interrupts == 2:
                threading.Thread(target=self._run_engine.request_pause, daemon=True).start()

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
        if self.interrupts and callable(before):
            before(signal.SIGINT, None)

    def close(self) -> None:
        """Ends the RunEngine's thread; the engine cannot be used afterwards.

        Raises:
            BusyError: A plan runs.
        """
        with self.booked("closing"):
            loop: asyncio.AbstractEventLoop = self._run_engine.loop
            if loop.is_closed():
                return
            thread = _thread_of(loop)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(timeout=5.0)
            if thread.is_alive():
                raise LabError("the RunEngine's thread does not end", do="end the process")
            loop.close()

    def _forward(self, name: str, document: dict[str, Any]) -> None:
        try:
            if self._sink is not None:
                self._sink(name, document)
        except Exception:  # a full disk in a sink must not stop a furnace
            self.sink_failures += 1
            if self.sink_failures == 1:
                _LOG.exception("the sink of Bluesky documents failed; plans go on without it")


def _failure(device: str, command: str, cause: BaseException) -> DeviceError:
    return DeviceError(
        f"{device} failed at {command}",
        got=f"{type(cause).__name__}: {cause}",
        do="look at the device, then resume",
        where=device,
    )


def _thread_of(loop: asyncio.AbstractEventLoop) -> threading.Thread:
    """The thread that runs a loop."""
    found: list[threading.Thread] = []
    known = threading.Event()

    def look() -> None:
        found.append(threading.current_thread())
        known.set()

    loop.call_soon_threadsafe(look)
    if not known.wait(timeout=5.0):
        raise LabError("the RunEngine's thread does not answer", do="end the process")
    return found[0]
