"""What an experiment cost, from its journalled commands and the task's prices."""

from __future__ import annotations

from dataclasses import dataclass

from sdl.campaign.state import CampaignState, SampleProgress
from sdl.core.capabilities import Capabilities
from sdl.core.command import Verb
from sdl.core.recipe import Anneal, Cooling, Quench, Recipe
from sdl.tasks.task import Prices


@dataclass(frozen=True)
class Cost:
    """Price in units of the reward, and the furnace time behind it."""

    total: float
    furnace_hours: float


def scan_price(prices: Prices, scan_min: float) -> float:
    """Price of a scan, on the line through those of the 2- and the 8-minute scan."""
    slope = (prices.scan_8_min - prices.scan_2_min) / 6.0
    return max(prices.scan_2_min + slope * (scan_min - 2.0), 0.0)


def cost_of(
    sample: SampleProgress, state: CampaignState, prices: Prices, capabilities: Capabilities
) -> Cost:
    """The cost of a sample's commands that ended; a shared furnace run is paid in equal parts."""
    total, furnace_hours = prices.sample, 0.0
    for name in sample.commands:
        command = state.commands[name]
        result = state.results.get(name)
        if result is None:
            continue
        share = 1.0 / len(command.samples)
        if command.verb is Verb.ANNEAL:
            hours = (state.ended_s[name] - command.time_s) / 3600.0 * share
            furnace_hours += hours
            total += prices.furnace_hour * hours
        total += prices.kwh * float(str(result.get("energy_kwh", 0.0))) * share
        if command.verb is Verb.SCAN:
            total += scan_price(prices, float(command.args["scan_min"]))
        elif command.verb is Verb.MEASURE:
            total += prices.measurement
        elif command.verb is Verb.DISPENSE:
            lot = capabilities.lot(str(command.args["lot"]))
            grams = float(command.args["mass_mg"]) / 1000.0
            total += prices.euro * (0.0 if lot is None else lot.price_eur_per_g * grams)
    return Cost(total, furnace_hours)


def planned_furnace_hours(recipe: Recipe) -> float:
    """Furnace time a recipe asks for: ramps from 25 °C, soaks, cooling in the furnace, h."""
    hours = 0.0
    for step, following in zip(recipe.steps, (*recipe.steps[1:], None), strict=True):
        if not isinstance(step, Anneal):
            continue
        rise_c = max(step.temperature_c - ROOM_C, 0.0)
        hours += step.dwell_h + rise_c / step.ramp_c_per_min / 60.0
        if not isinstance(following, Quench) or following.cooling is Cooling.FURNACE:
            hours += rise_c / FURNACE_COOLING_C_PER_MIN / 60.0
    return hours


ROOM_C = 25.0
FURNACE_COOLING_C_PER_MIN = 2.0
"""As ``sdl.core.recipe.Cooling.FURNACE`` says."""
