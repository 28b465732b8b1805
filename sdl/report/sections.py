"""The figures of the page with a sentence each; a part that cannot be drawn says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from sdl.core.command import Command, Verb
from sdl.core.errors import SdlError
from sdl.core.material import Observation, Target
from sdl.core.protocols import BlobStore
from sdl.figures.best import Band, best_so_far
from sdl.figures.fractions import Composition, phase_fractions
from sdl.figures.parity import Forecast, parity
from sdl.figures.pattern import pattern_with_fit
from sdl.figures.recipe import recipe_curve
from sdl.figures.search import Trial, purity_by_temperature
from sdl.figures.stations import Use, station_use
from sdl.report import property_sections
from sdl.report.baseline import attempts, random_band
from sdl.report.record import CampaignRecord, Occupation
from sdl.report.scan import fitted_scan


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    id: str
    title: str
    """Stands over the words where there is no figure."""
    figure: go.Figure | None
    words: str
    """What to see in the figure, or why there is none."""


def sections(
    record: CampaignRecord, blobs: BlobStore, *, with_random: bool = True
) -> tuple[Section, ...]:
    """All figures of a campaign, in the order of the page.

    Args:
        record: The campaign.
        blobs: The arrays of its journal.
        with_random: Whether to run random campaigns for comparison; it takes some seconds.
    """
    if not any(e.measured is not None for e in record.finished):
        words = "No experiment has given a measurement yet, so there are no results to draw."
        return (Section("best", "Best so far", None, words), _stations(record))
    if record.task.objective is not None:
        return _of_property(record, blobs, with_random)
    return (
        _best(record, with_random),
        _fractions(record),
        _pattern(record, blobs),
        _recipe(record),
        _search(record),
        _parity(record),
        _stations(record),
    )


def _of_property(
    record: CampaignRecord, blobs: BlobStore, with_random: bool
) -> tuple[Section, ...]:
    """The figures of a campaign about a property."""
    objective, best = property_sections.objective_of(record), record.best
    # Random search is counted by its largest value; of a value to hit there is none.
    with_band = with_random and objective.aim == "maximise"
    band, words = _band(record) if with_band else (None, "No random search was run beside it.")
    figure = property_sections.history_figure(record, band)
    words += (
        f" Open points do not count: less than {record.goal:.0%} pure, a poor fit, or intensity "
        "that stays unexplained."
    )
    curve, about = (None, "Nothing was measured.")
    if best is not None:
        curve, about = property_sections.curve_figure(record, best, blobs)
    composition = property_sections.composition_figure(record)
    forecast = property_sections.forecast_figure(record)
    return (
        Section("best", "Best so far", figure, words),
        Section("curve", "Measured curve", curve, about),
        Section(
            "composition",
            "Composition",
            composition,
            "Compositions as charged; the colour is the measured purity."
            if composition
            else "The target is one phase, so there is no composition to draw.",
        ),
        _fractions(record),
        _pattern(record, blobs),
        _recipe(record),
        Section(
            "parity",
            "Predicted and measured",
            forecast,
            "Each prediction was made before its experiment."
            if forecast
            else f"The policy {record.config.policy} predicted nothing.",
        ),
        _stations(record),
    )


def _best(record: CampaignRecord, with_random: bool) -> Section:
    # A laboratory of a file has no simulated twin that random search could be run in.
    beside = with_random and record.config.lab_file is None
    band, words = _band(record) if beside else (None, "No random search was run beside it.")
    figure = best_so_far(attempts(record), record.task.target.label, record.goal, band)
    open_points = "Open points do not count: their fit is poor or intensity stays unexplained."
    return Section("best", "Best so far", figure, f"{words} {open_points}")


def _band(record: CampaignRecord) -> tuple[Band | None, str]:
    try:
        band = random_band(record)
    except (SdlError, ModuleNotFoundError) as err:  # the simulator is an extra of its own
        return None, f"Random search could not be run beside it: {err}."
    where = (
        "drawn from the same table, each recipe once"
        if record.config.lab == "table"
        else f"simulated in the same hidden laboratory (number {record.config.laboratory})"
    )
    return band, (
        f"The band is random search, counted from {band.experiments} experiments at random "
        f"{where}: the dashed line is the median of the best of n such experiments, the band the "
        "middle half (lower to upper quartile)."
    )


def _fractions(record: CampaignRecord) -> Section:
    target = record.task.target
    shown = [
        Composition(e.sample, _merged(e.observation, target))
        for e in record.experiments
        if e.measured is not None and e.observation is not None
    ]
    figure = phase_fractions(shown, target.label, record.goal)
    words = "Last measurement of each experiment; failures and samples on their way are left out."
    if target.unresolved:
        words += (
            f" No pattern tells {' or '.join(target.unresolved)} from {target.label}: "
            "they are in its share."
        )
    return Section("phases", "Phases", figure, words)


def _merged(observation: Observation, target: Target) -> Observation:
    """An observation in which a solid solution is one phase."""
    if not target.solution:
        return observation
    alike = (*target.members, *target.unresolved)
    others = {name: a for name, a in observation.phases.items() if name not in alike}
    phases = {target.label: observation.amount_of(target), **others}
    return observation.model_copy(update={"phases": phases})


def _pattern(record: CampaignRecord, blobs: BlobStore) -> Section:
    best = record.best
    try:
        pattern = None if best is None else fitted_scan(record, best, blobs)
    except SdlError as err:
        return Section(
            "pattern",
            "Powder pattern",
            None,
            f"The pattern of the best sample cannot be drawn: {err}.",
        )
    if best is None or best.observation is None or pattern is None:
        words = "There is no powder pattern: this laboratory hands over phase fractions only."
        return Section("pattern", "Powder pattern", None, words)
    observation = best.observation
    words = (
        f"Scan of {best.sample} with the fit of all reference phases; those found are drawn above "
        "the background, with ticks where their lines belong. "
        f"Reduced χ² {observation.reduced_chi2:.2f}, unexplained intensity "
        f"{observation.unexplained:.1%}."
    )
    title = f"Powder pattern of the best sample, {best.sample}"
    return Section("pattern", "Powder pattern", pattern_with_fit(pattern, title), words)


def _recipe(record: CampaignRecord) -> Section:
    best = record.best
    if best is None or not best.recipe.anneals():
        return Section(
            "recipe", "Recipe", None, "The best recipe heats nothing, so there is no curve."
        )
    figure = recipe_curve(best.recipe, f"Recipe of the best sample, {best.sample}")
    words = (
        f"{best.recipe.sentence()}. Programmed temperatures; furnace cooling is drawn at 2 °C/min "
        "and waiting between stations is left out."
    )
    return Section("recipe", "Recipe", figure, words)


def _search(record: CampaignRecord) -> Section:
    trials = [
        Trial(e.sample, e.recipe, e.measured.weight_fraction, e.measured.sigma)
        for e in record.experiments
        if e.measured is not None
    ]
    figure = purity_by_temperature(trials, record.task.target.phase, record.goal)
    return Section(
        "search",
        "Where the campaign looked",
        figure,
        "Every measured experiment; the best is labelled, the hover names the others.",
    )


def _parity(record: CampaignRecord) -> Section:
    forecasts = [
        Forecast(
            label=e.sample,
            predicted=e.proposal.prediction.mean,
            predicted_sigma=e.proposal.prediction.sigma,
            measured=e.measured.weight_fraction,
            measured_sigma=e.measured.sigma,
        )
        for e in record.experiments
        if e.measured is not None and e.proposal.prediction is not None
    ]
    if not forecasts:
        words = f"The policy {record.config.policy} predicts nothing, so there is nothing to check."
        return Section("parity", "Predicted and measured", None, words)
    words = (
        f"{len(forecasts)} predictions, each made before its experiment. An honest sigma has about "
        "68 % of the measurements within 1σ and 95 % within 2σ."
    )
    return Section(
        "parity", "Predicted and measured", parity(forecasts, record.task.target.phase), words
    )


def _stations(record: CampaignRecord) -> Section:
    if not record.occupations:
        return Section("stations", "Station use", None, "No station has worked yet.")
    uses = [_use(o, record.time_h) for o in record.occupations]
    used = {o.command.station for o in record.occupations}
    stations = [s.name for s in record.task.laboratory.stations if s.name in used]
    words = "Each bar is one act; the thin ones are transfers. Labels on anneals are samples."
    return Section("stations", "Station use", station_use(uses, stations, record.time_h), words)


def _use(occupation: Occupation, now_h: float) -> Use:
    command = occupation.command
    return Use(
        station=command.station,
        verb=command.verb,
        samples=command.samples,
        start_h=occupation.start_h,
        end_h=now_h if occupation.end_h is None else occupation.end_h,
        words=f"failed: {occupation.error}" if occupation.error else _words(command),
        ended=occupation.end_h is not None,
    )


def _words(command: Command) -> str:
    """The arguments in words."""
    args = command.args
    match command.verb:
        case Verb.ANNEAL:
            return (
                f"{args['temperature_c']:.0f} °C for {args['dwell_h']:.3g} h in {args['gas']}, "
                f"{args['ramp_c_per_min']:g} °C/min"
            )
        case Verb.DISPENSE:
            return f"{args['lot']} {args['mass_mg']:.1f} mg"
        case Verb.MILL:
            return f"{args['mill_min']:g} min"
        case Verb.SCAN:
            return f"{args['scan_min']:g} min"
        case Verb.TRANSFER:
            return f"from {args['origin']} to {args['destination']}"
        case Verb.QUENCH:
            return f"in {args['cooling']}"
        case Verb.WASH:
            return f"{args['duration_min']:g} min in {args['solvent']}, then dried"
        case Verb.MEASURE:
            return f"{args['property']}, {args['temperature_c']:g} °C"
        case Verb.REPLAY:
            return "outcome from the table"


def html_of(shown: Sequence[Section]) -> list[tuple[Section, str]]:
    """Each section with its figure as an HTML fragment, without Plotly's own script."""
    config = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["lasso2d"]}
    return [
        (
            section,
            ""
            if section.figure is None
            else section.figure.to_html(
                full_html=False,
                include_plotlyjs=False,
                div_id=f"figure-{section.id}",
                config=config,
            ),
        )
        for section in shown
    ]
