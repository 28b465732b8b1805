"""The figures of a property: history, raw curve, composition, forecasts."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from sdl.campaign.reading import fit_curve
from sdl.core.errors import SdlError
from sdl.core.property import Property
from sdl.core.protocols import BlobStore
from sdl.figures.best import Band
from sdl.figures.curve import against_field, against_temperature
from sdl.figures.property import Sampled, Wanted, against_composition, foreseen, history
from sdl.report.record import CampaignRecord, Experiment
from sdl.tasks.objective import Near, Objective
from sdl.tasks.space import TaskSpace


def objective_of(record: CampaignRecord) -> Objective:
    """The objective of a campaign about a property.

    Raises:
        ValueError: It is not about one.
    """
    if record.task.objective is None:
        raise ValueError("the task has no objective")
    return record.task.objective


def wanted(record: CampaignRecord) -> Wanted:
    """The property and its goal."""
    objective, level = objective_of(record), record.rule.level
    aim = objective.aim
    low = aim.near - level if isinstance(aim, Near) else level if aim == "maximise" else None
    high = aim.near + level if isinstance(aim, Near) else level if aim == "minimise" else None
    goal = objective.goal(level)
    return Wanted(objective.quantity(), low, high, goal, record.task.success.purity)


def samples(record: CampaignRecord) -> list[Sampled]:
    """Experiments with a measured property, in the order of their ends."""
    objective, space = objective_of(record), TaskSpace(record.task)
    return [_sampled(e, objective, space) for e in record.finished if e.reading is not None]


def _sampled(experiment: Experiment, objective: Objective, space: TaskSpace) -> Sampled:
    reading, amount = experiment.reading, experiment.measured
    value, sigma = (0.0, 0.0) if reading is None else (reading.value, reading.sigma)
    prediction = experiment.proposal.prediction
    try:
        formula, shares = space.formula(experiment.recipe), space.shares(experiment.recipe)
    except ValueError:  # a person's own recipe
        formula, shares = "", {}
    return Sampled(
        label=experiment.sample,
        value=value,
        sigma=sigma,
        purity=0.0 if amount is None else amount.weight_fraction,
        counts=experiment.counts,
        merit=objective.merit(value),
        words=f"{formula}: {experiment.recipe.sentence()}",
        shares=shares,
        predicted=None if prediction is None else (prediction.mean, prediction.sigma),
    )


def history_figure(record: CampaignRecord, band: Band | None) -> go.Figure:
    """Every value, and the best so far."""
    return history(samples(record), wanted(record), band)


def composition_figure(record: CampaignRecord) -> go.Figure | None:
    """The property against composition; ``None`` where the target has none."""
    shown = [s for s in samples(record) if s.shares]
    return against_composition(shown, wanted(record)) if shown else None


def forecast_figure(record: CampaignRecord) -> go.Figure | None:
    """Predicted and measured; ``None`` where nothing was predicted."""
    shown = [s for s in samples(record) if s.predicted is not None]
    return foreseen(shown, wanted(record)) if shown else None


def curve_figure(
    record: CampaignRecord, experiment: Experiment, blobs: BlobStore
) -> tuple[go.Figure | None, str]:
    """The raw curve behind a value, and a sentence about it."""
    reading = experiment.reading
    result = {} if reading is None else record.curves.get(str(reading.curve), {})
    if reading is None or reading.curve is None or not result:
        return None, "No curve is kept of this measurement."
    quantity = objective_of(record).quantity()
    mass_mg = float(str(result["mass_mg"]))
    try:
        points = np.asarray(blobs.get_array(reading.curve), dtype=np.float64)
        fit = fit_curve(reading.property, points, mass_mg)
    except SdlError as err:
        return None, f"The curve of the best sample cannot be drawn: {err}."
    title = f"{quantity.title.capitalize()} of the best sample, {experiment.sample}"
    words = (
        f"Aliquot of {mass_mg:.1f} mg; {quantity.title} "
        f"{quantity.words(reading.value, reading.sigma)}. Sigma is how well a measurement repeats; "
        "the calibration error of the instrument is common to all samples and not in it."
    )
    if reading.property is Property.FERRITE_MAGNETISATION:
        return against_field(points, fit.fitted, mass_mg, title), words
    return against_temperature(points, reading.value, reading.sigma, mass_mg, title), words
