"""Steps and recipes: how a sample is made, in the words of a chemist."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from sdl.core.model import Frozen, SafeId
from sdl.core.property import QUANTITIES, Property
from sdl.core.units import Celsius, CelsiusPerMinute, Hours, Milligram, Minutes


class Gas(StrEnum):
    """Atmosphere of a furnace."""

    AIR = "air"
    STEAM = "steam"
    """Air saturated with water vapour."""
    OXYGEN = "oxygen"
    NITROGEN = "nitrogen"
    CARBON_DIOXIDE = "carbon_dioxide"
    ARGON = "argon"


class Cooling(StrEnum):
    """How a sample leaves the soak temperature."""

    FURNACE = "furnace"
    """In the closed furnace, 2 degC/min."""
    AIR = "air"
    """Taken out hot, 100 degC/min."""
    LIQUID = "liquid"
    """Dropped into a liquid, 1000 degC/min."""


class Dose(Frozen):
    """One powder weighed into the vial."""

    lot: SafeId
    """Which bottle on the shelf."""
    mass_mg: Annotated[Milligram, Field(gt=0)]
    """Mass to dispense, mg."""


class Mix(Frozen):
    """Dispense powders into one vial and mill them together."""

    kind: Literal["mix"] = "mix"
    doses: Annotated[tuple[Dose, ...], Field(min_length=1, max_length=8)]
    mill_min: Minutes = 10.0
    """Milling time, min."""


class Anneal(Frozen):
    """Heat to a temperature, hold, in a gas."""

    kind: Literal["anneal"] = "anneal"
    temperature_c: Celsius
    dwell_h: Annotated[Hours, Field(gt=0, le=500)]
    ramp_c_per_min: CelsiusPerMinute = 5.0
    gas: Gas = Gas.AIR


class Quench(Frozen):
    """Cool the sample after the last anneal; a sample without this step cools in the furnace."""

    kind: Literal["quench"] = "quench"
    cooling: Cooling = Cooling.AIR


class Regrind(Frozen):
    """Grind the fired sample again, which renews the contacts between grains."""

    kind: Literal["regrind"] = "regrind"
    mill_min: Minutes = 10.0


class Press(Frozen):
    """Press the powder into a pellet."""

    kind: Literal["press"] = "press"
    pressure_mpa: Annotated[float, Field(gt=0, le=2000)]


class Wash(Frozen):
    """Wash soluble salts out of the sample."""

    kind: Literal["wash"] = "wash"
    solvent: Literal["water", "ethanol"] = "water"
    duration_min: Minutes = 30.0


class Split(Frozen):
    """Divide the sample; the aliquot becomes a sample of its own."""

    kind: Literal["split"] = "split"
    mass_mg: Annotated[Milligram, Field(gt=0)]


class Characterise(Frozen):
    """Record a powder pattern of the cold sample."""

    kind: Literal["characterise"] = "characterise"
    scan_min: Annotated[Minutes, Field(gt=0, le=600)] = 8.0
    """Length of the scan, min; counts grow in proportion."""


class Measure(Frozen):
    """Measure a property of the cold sample; a small aliquot is taken, and given back."""

    kind: Literal["measure"] = "measure"
    property: Property
    temperature_c: Celsius = 25.0
    """At which it is measured; of a transition, the highest of the sweep, degC."""


class Stop(Frozen):
    """The sample is finished."""

    kind: Literal["stop"] = "stop"


class Continue(Frozen):
    """Last entry of an open recipe: the policy is asked again when the sample gets here."""

    kind: Literal["continue"] = "continue"


Step = Annotated[
    Mix
    | Anneal
    | Quench
    | Regrind
    | Press
    | Wash
    | Split
    | Characterise
    | Measure
    | Stop
    | Continue,
    Field(discriminator="kind"),
]
"""One act on a sample."""


class Recipe(Frozen):
    """Steps in order; ends in ``Stop`` (implied) or in ``Continue``."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=64)]

    @property
    def is_open(self) -> bool:
        """Whether the policy is asked again at the end."""
        return isinstance(self.steps[-1], Continue)

    def anneals(self) -> tuple[Anneal, ...]:
        """The anneals in order."""
        return tuple(s for s in self.steps if isinstance(s, Anneal))

    def doses(self) -> tuple[Dose, ...]:
        """Everything weighed in, in order."""
        return tuple(d for s in self.steps if isinstance(s, Mix) for d in s.doses)

    def sentence(self) -> str:
        """The recipe in one line: ``BaCO3-a 1412 mg + TiO2-a 571 mg, mill 20 min, ...``."""
        words: list[str] = []
        for step, following in zip(self.steps, (*self.steps[1:], None), strict=True):
            words.append(describe_step(step))
            if isinstance(step, Anneal) and not isinstance(following, Quench):
                words.append("cool in the furnace")
        return ", ".join(words)


def describe_step(step: Step) -> str:
    """One step in words with units."""
    match step:
        case Mix():
            doses = " + ".join(f"{d.lot} {d.mass_mg:.0f} mg" for d in step.doses)
            return f"{doses}, mill {step.mill_min:g} min"
        case Anneal():
            return (
                f"{step.temperature_c:.0f} °C for {step.dwell_h:.3g} h in {step.gas.value} "
                f"({step.ramp_c_per_min:g} °C/min)"
            )
        case Quench():
            where = "the furnace" if step.cooling is Cooling.FURNACE else step.cooling.value
            return f"cool in {where}"
        case Regrind():
            return f"regrind {step.mill_min:g} min"
        case Press():
            return f"press {step.pressure_mpa:g} MPa"
        case Wash():
            return f"wash in {step.solvent} {step.duration_min:g} min"
        case Split():
            return f"split off {step.mass_mg:g} mg"
        case Characterise():
            return f"scan {step.scan_min:g} min"
        case Measure():
            what = QUANTITIES[step.property].title
            return f"measure the {what} ({step.temperature_c:g} °C)"
        case Stop():
            return "stop"
        case Continue():
            return "then decide"
