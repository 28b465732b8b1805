"""A vial and its powder, as the world knows them and nobody else."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.matter import Material


@dataclass(frozen=True)
class Heat:
    """A vial that is hot: in a furnace that holds its temperature, or just out of it.

    Args:
        furnace: Which furnace heated it.
        program_c: Temperature at that furnace's thermocouple, degC.
        true_c: Temperature of the sample, degC.
        gas: Atmosphere it is held in.
        since_s: World time up to which the history is integrated, s.
        inside: Whether it is still in the furnace.
    """

    furnace: str
    program_c: float
    true_c: float
    gas: str
    since_s: float
    inside: bool = True


@dataclass(frozen=True)
class Vial:
    """One vial.

    Args:
        name: Sample name on its label.
        place: ``rack`` or the station it is in, the arm while it moves.
        material: What it holds.
        acts: Acts on it so far, moves not counted: the number that keys its noise.
        heat: Set while it is hot.
        history: What it went through: from degC, to degC, s; true temperatures of the sample.
    """

    name: str
    place: str
    material: Material
    acts: int = 0
    heat: Heat | None = None
    history: tuple[tuple[float, float, float], ...] = ()
