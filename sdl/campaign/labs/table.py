"""A laboratory that replays a table of measured experiments on a virtual clock."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Self

from pydantic import ValidationError

from sdl.core.capabilities import Capabilities, StationKind
from sdl.core.clock import VirtualClock
from sdl.core.command import Command, Inspection, LabEvent, Presence, Verb
from sdl.core.errors import BusyError, ConfigError, LabError
from sdl.core.recipe import Anneal, Characterise, Cooling, Mix, Quench, Recipe, Regrind
from sdl.tasks.routes import RouteTable, load_route_table
from sdl.tasks.task import Task

SIGMA = 0.005
"""Standard deviation of a replayed weight fraction: the rounding of the table."""

OTHER = "other"
"""Name of everything in the product that is not the target."""

_ROOM_C = 25.0
_COOLING_C_PER_MIN = {Cooling.FURNACE: 2.0, Cooling.AIR: 100.0, Cooling.LIQUID: 1000.0}


class TableLab:
    """Implements ``sdl.core.protocols.Lab`` on a table: one REPLAY command is one experiment.

    Nothing physical happens: the same command gives the same answer however often it is sent, and
    its end depends on the decision's time alone, so a restarted campaign simply sends it again.

    Args:
        table: The measured cells.
        capacity: Experiments at a time.
        start_s: Laboratory time at the start, s.
        done: Ids of commands whose ends were handed over by an earlier process.
    """

    def __init__(
        self,
        table: RouteTable,
        *,
        capacity: int = 1,
        start_s: float = 0.0,
        done: Collection[str] = (),
    ) -> None:
        task = table.task()
        stations = tuple(
            s.model_copy(update={"capacity": capacity}) if s.kind is StationKind.TABLE else s
            for s in task.laboratory.stations
        )
        self._target = task.target.phase
        self._capabilities = task.laboratory.model_copy(update={"stations": stations})
        self._fractions = {
            recipe: route.target_wt_pct / 100.0
            for recipe, route in zip(task.laboratory.pool, table.routes, strict=True)
        }
        self._clock = VirtualClock(start_s)
        self._done = set(done)
        self._running: dict[str, LabEvent] = {}

    @classmethod
    def create(
        cls, task: Task, *, table: RouteTable | None = None, done: Collection[str] = ()
    ) -> Self:
        """The laboratory of a task that replays a table.

        Args:
            task: A task with a station of kind ``table``.
            table: Its outcomes; ``None`` for the table that ships with the project.
            done: As above.

        Raises:
            ConfigError: The table is not about the task's target.
        """
        table = load_route_table() if table is None else table
        if table.target != task.target.phase:
            raise ConfigError(
                f"no table of routes belongs to the task {task.name}",
                got=f"target {task.target.phase}",
                allowed=f"target {table.target}, of {table.source}",
                do="use the task ybco-routes, or `sdl bench routes --table CSV --target NAME`",
            )
        stations = task.laboratory.of_kind(StationKind.TABLE)
        return cls(table, capacity=stations[0].capacity if stations else 1, done=done)

    def capabilities(self) -> Capabilities:
        """One station, the shelf, and the pool of every recipe that has an outcome."""
        return self._capabilities

    def submit(self, command: Command) -> str:
        """Starts a replay; it ends after the recipe's nominal duration.

        Raises:
            LabError: Not a REPLAY of a recipe of the table at its station, or sent before.
            BusyError: As many experiments as the station holds are running.
        """
        if command.id in self._done or command.id in self._running:
            raise LabError("this command was sent before", got=command.id, where=command.station)
        recipe = self._recipe(command)
        station = next(s for s in self._capabilities.stations if s.name == command.station)
        now_s = self._clock.now_s()
        if sum(e.time_s > now_s for e in self._running.values()) >= station.capacity:
            raise BusyError(
                "the station is full",
                got=command.id,
                allowed=f"{station.capacity} at a time",
                do="wait for the next event",
                where=command.station,
            )
        fraction = self._fractions[recipe]
        # Counted from the decision, so that a command sent again after a restart ends when it would
        # have ended.
        self._running[command.id] = LabEvent(
            command=command.id,
            time_s=command.time_s + duration_s(recipe),
            result={
                "phases": {self._target: [fraction, SIGMA], OTHER: [1.0 - fraction, SIGMA]},
            },
        )
        return command.id

    def cancel(self, command_id: str) -> bool:
        """Drops a running replay; False when it had ended or was never sent."""
        event = self._running.get(command_id)
        if event is None or event.time_s <= self._clock.now_s():
            return False
        now_s = self._clock.now_s()
        self._running[command_id] = LabEvent(
            command=command_id, time_s=now_s, ok=False, error="cancelled"
        )
        return True

    def events(self, now_s: float) -> Sequence[LabEvent]:
        """Ends up to ``now_s``, each once, by time then number of the command."""
        ended = [e for e in self._running.values() if e.time_s <= now_s]
        for event in ended:
            del self._running[event.command]
            self._done.add(event.command)
        return sorted(ended, key=lambda e: (e.time_s, _number(e.command), e.command))

    def next_event_s(self) -> float | None:
        """The earliest end that is not handed over."""
        return min((e.time_s for e in self._running.values()), default=None)

    def inspect(self, command: Command) -> Inspection:
        """A replay that runs here is STARTED; any other is ABSENT and safe to send."""
        if command.id in self._running or command.id in self._done:
            return Inspection(presence=Presence.STARTED, evidence="this process sent it")
        return Inspection(presence=Presence.ABSENT, evidence="a table has no state to look at")

    def advance(self, time_s: float) -> float:
        """Jumps to ``time_s``, never back."""
        return self._clock.advance_to(time_s)

    def close(self) -> None:
        """Nothing is held."""

    def _recipe(self, command: Command) -> Recipe:
        """The recipe of a command, if the table has it."""
        tables = [s.name for s in self._capabilities.of_kind(StationKind.TABLE)]
        if command.verb is not Verb.REPLAY or command.station not in tables:
            raise LabError(
                "a table laboratory can replay recipes only",
                got=f"{command.verb.value} at {command.station}",
                allowed=f"replay at {', '.join(tables)}",
                where=command.id,
            )
        try:
            recipe = Recipe.model_validate(command.args.get("recipe"))
        except ValidationError as err:
            raise LabError(
                "the command holds no recipe", got=str(err.errors()[0]["msg"]), where=command.id
            ) from err
        if recipe not in self._fractions:
            raise LabError(
                "the table holds no outcome of this recipe",
                got=recipe.sentence(),
                allowed=f"the {len(self._fractions)} recipes of `capabilities().pool`",
                do="propose a recipe of the pool",
                where=command.id,
            )
        return recipe


def duration_s(recipe: Recipe) -> float:
    """Nominal duration of a recipe: milling, ramps, soaks, cooling, scans; s."""
    quench = next((s.cooling for s in recipe.steps if isinstance(s, Quench)), Cooling.FURNACE)
    minutes = 0.0
    for step in recipe.steps:
        match step:
            case Mix() | Regrind():
                minutes += step.mill_min
            case Anneal():
                rise_c = max(step.temperature_c - _ROOM_C, 0.0)
                minutes += rise_c / step.ramp_c_per_min + 60.0 * step.dwell_h
                minutes += rise_c / _COOLING_C_PER_MIN[quench]
            case Characterise():
                minutes += step.scan_min
            case _:
                pass
    return 60.0 * minutes


def _number(command_id: str) -> int:
    digits = "".join(c for c in command_id if c.isdigit())
    return int(digits) if digits else 0
