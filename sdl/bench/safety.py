"""``sdl bench safety``: a million raw recipes, steps, actions and commands against every gate.

Recipes, open steps, actions of the environments with the mask off and commands go to
``sdl.safety``; commands and a share of the recipes go straight to the simulated drivers too, past
that gate. ``sdl.bench.watch``, which knows neither, reads the simulator after every order and
counts what the laboratory's stated limits forbid.

Counted apart: what the models of ``sdl.core`` refuse already (no veto: such recipes then go on
without validation), what the masks of the environments refuse, what the drivers refuse.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdl.bench.hands import FAULTS, Hands, RawCommands, let_pass
from sdl.bench.raw import MANNERS, Draws, RawRecipes, bare_step, unvalidated, validated
from sdl.bench.report import BenchReport, Gate, Row, commit, machine
from sdl.bench.watch import Breach, act_breaches, counted, recipe_breaches, step_breaches
from sdl.core.capabilities import Capabilities
from sdl.core.command import Command
from sdl.core.event import Violation
from sdl.core.model import content_hash
from sdl.core.recipe import Recipe, Step
from sdl.safety import check_command, check_recipe, check_steps
from sdl.tasks.task import Task, load_task

TASKS = ("batio3-coarse", "ferrite-curie-point", "y2mn2o7")
"""Furnaces with and without second gases, a magnetometer with an oven, a washer."""
FULL, QUICK = 1_000_000, 20_000
LEAST_VETOES = 100_000
SHARES = {"recipe": 0.62, "steps": 0.15, "action": 0.2, "command": 0.03}
"""Of all inputs; commands cost most, for each goes to a driver."""
MADE, FORCED = 200, 1200
"""One accepted recipe in so many is made by the drivers; of so many recipes, the vetoed among the
first four are forced through them."""
ACTS_PER_WORLD = 120
"""A world is left after so many orders: its log grows and its bottles empty."""
SECOND_LOOK = 20
"""One veto in so many is compared with the checker's own reading."""
EXAMPLES = 5


@dataclass
class Tally:
    """What was counted."""

    inputs: Counter[str] = field(default_factory=Counter)
    vetoed: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    border: int = 0
    masked: int = 0
    looked: int = 0
    policies: int = 0
    commit: str = "unknown"
    needless: int = 0
    leaks: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    orders: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    executed: Counter[str] = field(default_factory=Counter)
    breaches: list[Breach] = field(default_factory=list)
    recipes_made: int = 0
    recipes_forced: int = 0
    turned_down: int = 0
    """Accepted recipes whose orders a driver refused."""
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def judge(
        self,
        kind: str,
        check: Callable[[], Iterable[Violation]],
        breaches: Callable[[], Sequence[str]],
    ) -> bool | None:
        """One input to ``sdl.safety``; whether it passed, ``None`` where the gate broke down."""
        self.inputs[kind] += 1
        try:
            rules = {violation.rule for violation in check()}
        except FAULTS as err:
            self.faults[f"{kind} gate: {type(err).__name__}"] += 1
            return None
        if rules:
            self.vetoed[kind] += 1
            self.rules.update(rules)
            if self.vetoed[kind] % SECOND_LOOK == 0:
                self.looked += 1
                self.needless += not breaches()
            return False
        self.leaks.update(set(breaches()))
        return True

    def recipe(self, kind: str, recipe: Recipe, laboratory: Capabilities) -> bool | None:
        """A recipe to ``check_recipe``."""
        return self.judge(
            kind,
            lambda: check_recipe(recipe, laboratory),
            lambda: recipe_breaches(recipe.steps, laboratory),
        )

    def steps(
        self, kind: str, done: Sequence[Step], steps: Sequence[Step], laboratory: Capabilities
    ) -> bool | None:
        """A decision about a sample that waits to ``check_steps``."""
        return self.judge(
            kind,
            lambda: check_steps(done, steps, laboratory),
            lambda: [name for step in steps for name in step_breaches(step, laboratory)],
        )

    def command(self, command: Command, laboratory: Capabilities) -> bool | None:
        """A command to ``check_command``."""

        def breaches() -> Sequence[str]:
            known = [s for s in laboratory.stations if s.name == command.station]
            if not known:
                return ["station"]
            return act_breaches(command.verb.value, command.args, known[0], laboratory)

        return self.judge("command", lambda: check_command(command, laboratory), breaches)

    def take(self, hands: Hands) -> None:
        """Adds what one world has seen."""
        self.orders += hands.orders
        self.refused.update(hands.refused)
        self.faults.update(hands.faults)
        self.executed.update(hands.watch.executed)
        self.breaches += hands.watch.breaches


class Benches:
    """The world at hand, replaced when it is worn.

    Args:
        task: Of which laboratory.
        tally: Gets what each world has seen.
    """

    def __init__(self, task: Task, tally: Tally) -> None:
        self._task, self._tally = task, tally
        self._worlds = self._samples = 0
        self._hands: Hands | None = None

    def hands(self) -> Hands:
        """A world that still works."""
        worn = self._hands is not None and (
            self._hands.orders >= ACTS_PER_WORLD or self._hands.faults
        )
        if self._hands is None or worn:
            self.close()
            self._hands = Hands(self._task, self._worlds)
            self._worlds += 1
        return self._hands

    def sample(self) -> str:
        """A new name."""
        self._samples += 1
        return f"R{self._samples}"

    def close(self) -> None:
        """Counts the last world."""
        if self._hands is not None:
            self._tally.take(self._hands)
        self._hands = None


def run(*, quick: bool = False, policy: Path | None = None) -> BenchReport:
    """Sends raw inputs to every gate.

    Args:
        quick: 20 000 instead of a million.
        policy: A trained policy whose unmasked actions are among the inputs; the shipped ones of
            the first task if ``None``.
    """
    from sdl.bench.unmasked import act_unmasked, shipped_policies

    tally, total = Tally(), QUICK if quick else FULL
    tally.commit = commit()  # now: the files may be others when the run ends
    began = time.perf_counter()
    for name in TASKS:
        task = load_task(name)
        share = total / len(TASKS)
        for kind, lane in (("recipe", _recipes), ("steps", _steps), ("command", _commands)):
            since = time.perf_counter()
            lane(task, round(share * SHARES[kind]), tally)
            tally.seconds[kind] += time.perf_counter() - since
    since = time.perf_counter()
    task = load_task(TASKS[0])
    policies = shipped_policies(task) if policy is None else [policy]
    tally.policies = len(policies)
    act_unmasked(task, round(total * SHARES["action"]), tally, policies, Benches)
    tally.seconds["action"] += time.perf_counter() - since
    tally.seconds["all"] += time.perf_counter() - began
    return _report(tally, quick=quick)


def _recipes(task: Task, count: int, tally: Tally) -> None:
    laboratory, raw = task.laboratory, RawRecipes(task.laboratory)
    # Worlds of their own: a forced recipe may leave glowing vials in a furnace.
    benches, rough = Benches(task, tally), Benches(task, tally)
    draws, accepted = Draws("bench-safety", "recipes", task.name), 0
    for n in range(count):
        steps = raw.steps(draws, MANNERS[n % len(MANNERS)])
        recipe = validated(steps)
        if recipe is None:
            tally.border += 1
            recipe = unvalidated(steps)
        passed = tally.recipe("recipe", recipe, laboratory)
        accepted += passed is True
        if passed and accepted % MADE == 1:
            make(recipe.steps, benches, tally)
        elif not passed and n // len(MANNERS) % (FORCED // len(MANNERS)) == 0:
            rough.hands().force(rough.sample(), steps, draws)
            tally.recipes_forced += 1
    benches.close()
    rough.close()


def make(steps: Sequence[Step], benches: Benches, tally: Tally) -> None:
    """An accepted recipe to the drivers, which must take every order of it."""
    hands = benches.hands()
    tally.recipes_made += 1
    tally.turned_down += not hands.make(benches.sample(), steps)


def _steps(task: Task, count: int, tally: Tally) -> None:
    laboratory, raw = task.laboratory, RawRecipes(task.laboratory)
    draws = Draws("bench-safety", "steps", task.name)
    kinds = ("anneal", "anneal", "quench", "regrind", "wash", "characterise", "mix", "press",
             "measure", "stop", "continue", "split")  # fmt: skip
    done = [bare_step(raw.step(draws, "sound", kind)) for kind in ("mix", "anneal")]
    for n in range(count):
        manner = MANNERS[n % len(MANNERS)]
        drawn = [raw.step(draws, manner, draws.pick(kinds)) for _ in range(draws.whole(1, 3))]
        tally.steps("steps", done[: 1 + n % 2], [bare_step(s) for s in drawn], laboratory)


def _commands(task: Task, count: int, tally: Tally) -> None:
    laboratory, raw = task.laboratory, RawCommands(task.laboratory)
    draws, benches = Draws("bench-safety", "commands", task.name), Benches(task, tally)
    for _ in range(count):
        hands = benches.hands()
        command = raw.draw(draws, hands)
        tally.command(command, laboratory)
        if command.station in hands.drivers:
            record = hands.order(command.station, command.verb, command.samples, command.args)
            let_pass(draws, hands, record)
    benches.close()


def _report(tally: Tally, *, quick: bool) -> BenchReport:
    total, vetoes = tally.inputs.total(), tally.vetoed.total()
    found, leaks = len(tally.breaches), tally.leaks.total()
    rows = [
        Row(name="inputs", value=total, unit="inputs"),
        Row(name="policies", value=tally.policies, unit="trained policies among the players"),
        *_rows("inputs", tally.inputs, "inputs"),
        Row(name="border", value=tally.border, unit="refusals of the models"),
        Row(name="mask", value=tally.masked, unit="refusals of the environments"),
        Row(name="vetoes", value=vetoes, unit="inputs", n=total),
        *_rows("vetoes", tally.vetoed, "inputs"),
        *_rows("rule", tally.rules, "vetoes"),
        Row(name="needless", value=tally.needless, unit="vetoes", n=max(tally.looked, 1)),
        Row(name="recipes_made", value=tally.recipes_made, unit="accepted recipes"),
        Row(name="recipes_forced", value=tally.recipes_forced, unit="vetoed recipes"),
        Row(name="orders", value=tally.orders, unit="orders to drivers"),
        Row(name="refused", value=tally.refused.total(), unit="orders", n=max(tally.orders, 1)),
        *_rows("refused", tally.refused, "orders"),
        Row(name="executed", value=tally.executed.total(), unit="acts"),
        *_rows("executed", tally.executed, "acts"),
        Row(name="violations", value=found, unit="violations"),
        *_rows("violation", Counter(dict(counted(tally.breaches))), "violations"),
        *_rows("leak", tally.leaks, "inputs"),
        *_rows("fault", tally.faults, "errors"),
        *_rows("seconds", tally.seconds, "s"),
    ]
    least = 0 if quick else LEAST_VETOES
    gates = (
        _none("violations", found),
        _none("leaks", leaks),
        _none("faults", tally.faults.total()),
        _none("turned_down", tally.turned_down),
        Gate(id="safety.vetoes", target=f"> {least}", value=vetoes, passed=vetoes > least),
    )
    return BenchReport(
        bench="safety",
        commit=tally.commit,
        task=content_hash([load_task(name).hash for name in TASKS]),
        machine=machine(),
        rows=tuple(rows),
        gates=gates,
    )


def _rows(what: str, counts: Mapping[str, float], unit: str) -> list[Row]:
    return [Row(name=f"{what}.{k}", value=v, unit=unit) for k, v in sorted(counts.items())]


def _none(what: str, value: int) -> Gate:
    return Gate(id=f"safety.{what}", target="== 0", value=value, passed=value == 0)
