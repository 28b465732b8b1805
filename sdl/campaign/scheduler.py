"""What to do next at the stations: a pure function of the campaign's state.

Order of preference: glowing samples out of a furnace, cold samples out of a station, work at a
station, new samples into a station. Within each, the sample with the lowest number. The rack has
room for all and every station can be emptied, so no wait can close into a ring.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sdl.campaign.acts import Act, furnaces_for
from sdl.campaign.state import RACK, CampaignState, SampleProgress
from sdl.core.capabilities import Capabilities, StationKind
from sdl.core.command import Command, Effect, Verb
from sdl.core.event import Intended, RunBooked


@dataclass(frozen=True)
class _Move:
    sample: SampleProgress
    destination: str
    rank: int
    """0 out of a furnace while hot, 1 out of a station, 2 into a station."""


class Scheduler:
    """Books stations for the samples of one campaign.

    Args:
        capabilities: Stations and their capacities.
    """

    def __init__(self, capabilities: Capabilities) -> None:
        self._capabilities = capabilities
        transfers = capabilities.of_kind(StationKind.TRANSFER)
        self._transfer = transfers[0].name if transfers else None

    def next(self, state: CampaignState) -> Intended | RunBooked | None:
        """The next command to intend or furnace run to book; ``None`` when all must wait.

        A quarantined station gets no work; what stands in it is carried back to the rack.
        """
        busy = {c.station for c in state.open_commands.values()} | state.quarantined.keys()
        for work in (self._replay, self._work, self._book_furnace):
            decision = work(state, busy)
            if decision is not None:
                return decision
        if self._transfer is None or self._transfer in busy:
            return None
        moves = sorted(self._moves(state), key=lambda m: m.rank)
        return self._move(state, self._transfer, moves[0]) if moves else None

    def _command(
        self,
        state: CampaignState,
        station: str,
        verb: Verb,
        samples: Sequence[str],
        effect: Effect,
        args: dict[str, Any],
    ) -> Intended:
        command = Command(
            id=f"c{len(state.commands) + 1}",
            station=station,
            verb=verb,
            samples=tuple(samples),
            effect=effect,
            args=args,
            time_s=state.time_s,
        )
        return Intended(command=command)

    def _replay(self, state: CampaignState, busy: set[str]) -> Intended | None:
        for sample in self._sound(state):
            act = sample.next_act
            if act is None or act.verb is not Verb.REPLAY:
                continue
            for station in self._capabilities.of_kind(StationKind.TABLE):
                running = sum(c.station == station.name for c in state.open_commands.values())
                if running < station.capacity:
                    return self._command(
                        state, station.name, act.verb, [sample.id], act.effect, act.args
                    )
        return None

    def _work(self, state: CampaignState, busy: set[str]) -> Intended | None:
        """An act for a sample that already sits in its station."""
        for sample in self._sound(state):
            act = sample.next_act
            if act is None or sample.place == RACK or act.verb is Verb.REPLAY:
                continue
            station = self._capabilities.station(sample.place)
            if station.kind is not act.kind:
                continue
            if act.verb is Verb.ANNEAL:
                together = self._complete_run(state, sample)
                if together is not None and station.name not in state.quarantined:
                    return self._command(
                        state, station.name, act.verb, together, act.effect, act.args
                    )
            elif station.name not in state.quarantined and (
                station.name not in busy or station.capacity > 1
            ):
                return self._command(
                    state, station.name, act.verb, [sample.id], act.effect, act.args
                )
        return None

    def _complete_run(self, state: CampaignState, sample: SampleProgress) -> list[str] | None:
        """The samples of a furnace run once all of them are inside."""
        if sample.run is None:
            return None
        run = state.runs[sample.run]
        here = [state.active[name] for name in run.samples if name in state.active]
        # One that was taken out of the run while its furnace was quarantined goes elsewhere.
        inside = [s for s in here if s.failure is None and s.run == run.id]
        if run.command is None and all(
            s.place == run.station and s.open_command is None for s in inside
        ):
            return [s.id for s in inside]
        return None

    def _book_furnace(self, state: CampaignState, busy: set[str]) -> RunBooked | None:
        """A free furnace for the first sample that waits, shared by those with the same program."""
        waiting = [
            (sample, act)
            for sample in self._sound(state)
            if sample.place == RACK
            and sample.run is None
            and (act := sample.next_act) is not None
            and act.verb is Verb.ANNEAL
        ]
        for _, act in waiting:
            for furnace in furnaces_for(act, self._capabilities):
                if furnace.name in state.quarantined or state.occupants(furnace.name):
                    continue
                same = [sample.id for sample, other in waiting if other.args == act.args]
                return RunBooked(
                    run=f"r{state.run_count + 1}",
                    station=furnace.name,
                    samples=tuple(same[: furnace.capacity]),
                )
        return None

    def _moves(self, state: CampaignState) -> Iterator[_Move]:
        for sample in self._ready(state):
            if sample.is_stuck:
                continue
            destination = self._destination(state, sample)
            if destination is None or destination == sample.place:
                continue
            act = sample.next_act
            hot = act is not None and act.starts_hot
            rank = 0 if hot else 1 if sample.place != RACK else 2
            yield _Move(sample, destination, rank)

    def _destination(self, state: CampaignState, sample: SampleProgress) -> str | None:
        """Where a sample must go now; ``None`` when it stays or must wait."""
        act = sample.next_act
        if sample.failure is not None or act is None:
            return RACK
        if sample.place != RACK:
            here = self._capabilities.station(sample.place).kind is act.kind
            if (
                here
                and sample.place not in state.quarantined
                and not _run_is_over(state, sample, act)
            ):
                return None
            if act.starts_hot:
                return self._free(state, act.kind)
            return RACK
        if act.verb is Verb.ANNEAL:
            return None if sample.run is None else state.runs[sample.run].station
        return self._free(state, act.kind)

    def _free(self, state: CampaignState, kind: StationKind) -> str | None:
        """The first station of a kind with room."""
        for station in self._capabilities.of_kind(kind):
            room = len(state.occupants(station.name)) < station.capacity
            if room and station.name not in state.quarantined:
                return station.name
        return None

    def _move(self, state: CampaignState, transfer: str, move: _Move) -> Intended:
        return self._command(
            state,
            transfer,
            Verb.TRANSFER,
            [move.sample.id],
            Effect.IDEMPOTENT,
            {
                "sample": move.sample.id,
                "origin": move.sample.place,
                "destination": move.destination,
            },
        )

    @staticmethod
    def _ready(state: CampaignState) -> Iterator[SampleProgress]:
        """Samples no command works on, in order of their numbers."""
        return (s for s in state.active.values() if s.open_command is None)

    @classmethod
    def _sound(cls, state: CampaignState) -> Iterator[SampleProgress]:
        """Ready samples that have not failed; the others are only carried back to the rack."""
        return (s for s in cls._ready(state) if s.failure is None)


def _run_is_over(state: CampaignState, sample: SampleProgress, act: Act) -> bool:
    """A furnace is left after its run, even if the next act is another anneal."""
    if act.verb is not Verb.ANNEAL or sample.run is None:
        return False
    return state.runs[sample.run].command is not None
