"""What the page says in sentences: the headline, the facts, the rows of the table."""

from __future__ import annotations

from dataclasses import dataclass

from sdl.analysis.fit import UNEXPLAINED_LIMIT
from sdl.core.errors import ConfigError
from sdl.core.material import Reading
from sdl.core.property import QUANTITIES, Property
from sdl.figures.style import percent, whole_percent
from sdl.report.record import CampaignRecord, Experiment, total_cost, total_furnace_hours
from sdl.tasks.space import TaskSpace

_LABORATORIES = {
    "virtual": "Simulated laboratory (instruments behind a Bluesky RunEngine, virtual clock). "
    "No real sample was made.",
    "fast": "Simulated laboratory (no RunEngine, virtual clock). No real sample was made.",
    "table": "Measured results replayed from a table. No new sample was made.",
}


@dataclass(frozen=True)
class Headline:
    """The result in three sentences."""

    standing: str
    result: str
    recipe: str
    verdict: str
    good: bool | None
    """True for a goal that was reached and repeated, False for one that was missed or refuted,
    ``None`` in between."""
    laboratory: str


@dataclass(frozen=True)
class Row:
    """One experiment in the table, in words."""

    sample: str
    proposal: str
    """Its number among the proposals, by which reasons refer to it."""
    recipe: str
    reason: str
    decisions: tuple[str, ...]
    predicted: str
    measured: str
    phases: tuple[str, ...]
    unexplained: str
    cost: str
    note: str
    """Why the measurement does not count, the failure, or where the sample is."""
    mark: str
    """``best``, ``reached``, ``failed``, ``open`` or nothing."""


def headline(record: CampaignRecord) -> Headline:
    """Best measurement, recipe, and whether the goal was reached and repeated."""
    best = record.best
    laboratory = _laboratory(record)
    if best is None or best.measured is None:
        objective = record.task.objective
        what = "purity" if objective is None else objective.quantity().title
        words = f"No {what} was measured" + ("." if record.stopped else " yet.")
        return Headline(standing(record), words, "", "", None, laboratory)
    verdict, good = _verdict(record, best)
    return Headline(
        standing=standing(record),
        result=_result(record, best),
        recipe=best.recipe.sentence(),
        verdict=verdict,
        good=good,
        laboratory=laboratory,
    )


def _laboratory(record: CampaignRecord) -> str:
    """What the samples were made in, and whether they were made at all."""
    if record.config.lab_file is None:
        return _LABORATORIES[record.config.lab]
    name = record.task.laboratory.name
    if record.config.shadow:
        return f"Shadow of the laboratory {name}: persons did the work, nothing was commanded."
    if record.simulated:
        words = "simulated instruments over their protocols. No real sample was made."
        return f"Laboratory {name}: {words}"
    return f"Laboratory {name}: instruments over their protocols."


def told(record: CampaignRecord) -> list[tuple[str, str, str, str]]:
    """Time, topic, station and words of what the laboratory told; gaps and stops included."""
    return [(f"{h:.2f} h", n.topic.value, n.station, n.message) for h, n in record.notes]


def _result(record: CampaignRecord, best: Experiment) -> str:
    target = record.task.target
    objective, reading = record.task.objective, best.reading
    pure = percent(best.measured.weight_fraction, best.measured.sigma) if best.measured else "–"
    if objective is None or reading is None:
        return f"{target.label} {pure} by weight of the crystalline part, sample {best.sample}"
    title = objective.quantity().title.capitalize()
    amount = objective.quantity().words(reading.value, reading.sigma)
    at = "" if objective.property is Property.FERRITE_CURIE_POINT else _at(reading)
    return f"{title} {amount}{at}: {formula(record, best)}, {pure} pure, sample {best.sample}"


def _at(reading: Reading) -> str:
    return f" at {reading.temperature_c:g} °C"


def formula(record: CampaignRecord, experiment: Experiment) -> str:
    """The solid solution a sample was charged for; the target's name where it cannot be told."""
    try:
        return TaskSpace(record.task).formula(experiment.recipe)
    except (ValueError, ConfigError):  # a person's own recipe, or a task without a space
        return record.task.target.label


def standing(record: CampaignRecord) -> str:
    """Whether the campaign is over and why."""
    done, on_way = len(record.finished), len(record.experiments) - len(record.finished)
    budget = record.config.budget.experiments or record.task.budget.experiments
    if record.stopped is not None:
        return f"Over after {done} of {budget} experiments: {record.stopped.reason}."
    words = f"In progress: {done} of {budget} experiments finished, {on_way} on their way"
    waiting = ", ".join(p.id for p in record.waiting)
    return words + (f"; waiting for a decision: {waiting}." if waiting else ".")


def _verdict(record: CampaignRecord, best: Experiment) -> tuple[str, bool | None]:
    objective = record.task.objective
    wanted = whole_percent(record.goal) if objective is None else record.rule.words()
    goal = f"The goal of {wanted}"
    reached = [e for e in record.finished if record.reached(e)]
    if not reached:
        if not best.counts:
            return f"{goal} was not reached: {_doubt(best)}.", False
        return f"{goal} was not reached by any measurement that counts.", False
    # A repeat that broke off says nothing of the recipe.
    own = [e for e in record.repeats(best) if e.measured is not None]
    held = sum(record.reached(e) for e in own)
    if own and held == len(own):
        results = ", ".join(_short(e) for e in own)
        words = f"{goal} was reached by {best.sample}; the same recipe again gave {results}"
        return f"{words}: confirmed.", True
    others = _confirmed_beside(record, best, reached)
    if others:
        words = f"{goal} was reached and repeated by {' and '.join(others)}"
        return f"{words}; the highest value, {best.sample}, {_standing_of(own, held)}.", True
    words = f"{goal} was reached by {best.sample}"
    if own:
        return f"{words}, which {_standing_of(own, held)}.", False if held == 0 else None
    if record.config.lab == "table":
        words += ", measured once: a table holds one value per recipe and cannot repeat it."
        return words, None
    words += f", {_standing_of(own, held)}; the highest of many measurements tends to be too high."
    return words, None


def _confirmed_beside(
    record: CampaignRecord, best: Experiment, reached: list[Experiment]
) -> list[str]:
    """Samples of other recipes that reached the goal and did so again."""
    return [
        e.sample
        for e in reached
        if e.recipe != best.recipe and any(record.reached(r) for r in record.repeats(e))
    ]


def _standing_of(repeats: list[Experiment], held: int) -> str:
    if not repeats:
        return "measured once and not repeated"
    results = ", ".join(_short(e) for e in repeats)
    return f"was repeated with {results}: {held} of {len(repeats)} repeats reached it"


def _short(experiment: Experiment) -> str:
    amount = experiment.measured
    if amount is None:
        return f"no result ({experiment.sample})"
    if experiment.reading is not None:
        reading = experiment.reading
        value = QUANTITIES[reading.property].words(reading.value, reading.sigma)
        return f"{value} ({experiment.sample})"
    return f"{percent(amount.weight_fraction, amount.sigma)} ({experiment.sample})"


def _doubt(experiment: Experiment) -> str:
    """Why a measurement cannot carry a claim; empty where it can."""
    observation = experiment.observation
    if observation is None or experiment.counts:
        return ""
    if observation.quality != "good":
        return f"{experiment.sample} does not count: {observation.quality}"
    measurement = experiment.measurement
    if measurement is not None and measurement.quality != "good":
        return f"{experiment.sample} does not count: {measurement.quality}"
    if observation.unexplained <= UNEXPLAINED_LIMIT:
        pure = experiment.measured
        share = "not" if pure is None else f"only {percent(pure.weight_fraction, pure.sigma)}"
        return f"{experiment.sample} does not count: {share} pure"
    share = percent(observation.unexplained)
    return f"{experiment.sample} does not count: {share} of the intensity is unexplained"


def strip(record: CampaignRecord) -> list[tuple[str, str]]:
    """The figures that stand under the headline: value and what it is."""
    furnace_h = total_furnace_hours(record.finished)
    return [
        (str(len(record.finished)), "experiments finished"),
        (f"{record.time_h:.1f} h", "laboratory time"),
        *([(f"{furnace_h:.1f} h", "furnace time")] if furnace_h else []),
        (f"{total_cost(record.finished):.2f}", "cost (price units)"),
        (record.config.policy, "policy"),
        (str(record.config.seed), "seed"),
    ]


def facts(record: CampaignRecord) -> list[tuple[str, str]]:
    """Name and value of what one needs to run the campaign again."""
    config, task = record.config, record.task
    failed = sum(e.failed for e in record.finished)
    rows = [
        ("Task", f"{task.name}: {task.title}"),
        ("Task hash (SHA-256)", record.task_hash),
        ("Policy", config.policy),
        ("Laboratory", f"{task.laboratory.name}, lab: {config.lab}"),
        ("Seeds", f"campaign {config.seed}, hidden laboratory {config.laboratory}"),
        ("Experiments", f"{len(record.finished)} finished, {failed} of them failed"),
        ("Refused proposals", str(len(record.refusals))),
        ("Laboratory time", f"{record.time_h:.1f} h"),
        (
            "Furnace time",
            f"{total_furnace_hours(record.finished):.1f} h (a shared run counts once)",
        ),
        ("Cost", f"{total_cost(record.finished):.2f} in price units of the task"),
        ("Journal", f"{record.records} records"),
    ]
    if record.models:
        promoted = sum(m.promoted for m in record.models)
        rows.append(("Models", f"{len(record.models)} fitted, {promoted} promoted"))
    if record.boots:
        last = record.boots[-1]
        versions = ", ".join(f"{name} {version}" for name, version in sorted(last.versions.items()))
        rows.append(("Versions", versions or "not recorded"))
        rows.append(("Computer", last.cpu))
        spans = f"{record.boots[0].utc} (first start)"
        if len(record.boots) > 1:
            spans += f", {last.utc} (start {len(record.boots)})"
        rows.append(("Begun", spans))
    return rows


def rows(record: CampaignRecord) -> list[Row]:
    """The table of all experiments, by number."""
    best = record.best
    return [
        _row(record, e, best is not None and e.sample == best.sample) for e in record.experiments
    ]


def _row(record: CampaignRecord, experiment: Experiment, is_best: bool) -> Row:
    proposal, observation = experiment.proposal, experiment.observation
    prediction = proposal.prediction
    return Row(
        sample=experiment.sample,
        proposal=proposal.id,
        recipe=_recipe(record, experiment),
        reason=proposal.reason,
        decisions=experiment.decisions,
        predicted="–" if prediction is None else _value(record, prediction.mean, prediction.sigma),
        measured=_measured(record, experiment),
        phases=_phases(experiment),
        unexplained="–" if observation is None else percent(observation.unexplained),
        cost="–" if experiment.finished is None else f"{experiment.finished.cost:.2f}",
        note=_note(experiment),
        mark=_mark(record, experiment, is_best),
    )


def _recipe(record: CampaignRecord, experiment: Experiment) -> str:
    words = experiment.recipe.sentence()
    return f"{formula(record, experiment)}: {words}" if record.task.target.solution else words


def _value(record: CampaignRecord, value: float, sigma: float) -> str:
    objective = record.task.objective
    return percent(value, sigma) if objective is None else objective.quantity().words(value, sigma)


def _measured(record: CampaignRecord, experiment: Experiment) -> str:
    amount, reading = experiment.measured, experiment.reading
    if amount is None:
        return "–"
    pure = percent(amount.weight_fraction, amount.sigma)
    if record.task.objective is None:
        return pure
    if reading is None:
        return f"no value; {pure} pure"
    return f"{_value(record, reading.value, reading.sigma)}; {pure} pure"


def _phases(experiment: Experiment) -> tuple[str, ...]:
    """Phases found, the largest first; those below one sigma and 0.5 wt% are left out."""
    if experiment.observation is None:
        return ()
    found = [
        (name, a)
        for name, a in experiment.observation.phases.items()
        if a.weight_fraction > max(a.sigma, 0.005)
    ]
    found.sort(key=lambda entry: -entry[1].weight_fraction)
    return tuple(f"{name} {percent(a.weight_fraction, a.sigma)}" for name, a in found)


def _note(experiment: Experiment) -> str:
    if experiment.finished is None:
        return f"on its way, at {experiment.place}"
    if experiment.failed:
        return f"failed: {experiment.failure or 'no reason recorded'}"
    if experiment.measured is None:
        return "nothing was measured"
    return _doubt(experiment)


def _mark(record: CampaignRecord, experiment: Experiment, is_best: bool) -> str:
    if is_best:
        return "best"
    if experiment.finished is None:
        return "open"
    if experiment.failed:
        return "failed"
    return "reached" if record.reached(experiment) else ""
