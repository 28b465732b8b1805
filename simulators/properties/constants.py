"""Constants of the property models: nominal, or as one hidden laboratory has them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Annotated, Self

from pydantic import Field, model_validator

from sdl.core.errors import ConfigError
from sdl.core.model import Frozen
from sdl.core.seeds import generator
from sdl.core.yaml import load

CUT = 3.0
"""A draw farther off than so many standard deviations is cut."""

Values = Mapping[str, float]
"""Constants of one group by name, in the units of the data file."""


class Constant(Frozen):
    """A number with its width and its source."""

    value: float
    width: Annotated[float, Field(ge=0)]
    """Standard deviation, of the value or of its natural logarithm."""
    log: bool = False
    unit: str
    source: str
    least: float | None = None
    """Smallest value that the law bears."""
    most: float | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.log and self.value <= 0.0:
            raise ValueError("a logarithm needs a value above zero")
        if self.bounded(self.value) != self.value:
            raise ValueError("the value lies outside its own bounds")
        return self

    def bounded(self, value: float) -> float:
        """The value, moved into the bounds."""
        value = value if self.least is None else max(self.least, value)
        return value if self.most is None else min(self.most, value)

    def at(self, z: float) -> float:
        """The value ``z`` standard deviations away from the nominal one."""
        z = max(-CUT, min(CUT, z))
        moved = self.value * math.exp(z * self.width) if self.log else self.value + z * self.width
        return self.bounded(moved)


class PropertyConstants(Frozen):
    """All constants, by group (a family of materials or one electrolyte) and name."""

    sources: dict[str, str]
    groups: dict[str, dict[str, Constant]]

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        for group, constants in self.groups.items():
            for name, constant in constants.items():
                if constant.source not in self.sources:
                    raise ValueError(f"{group}.{name} names no source: {constant.source!r}")
        return self


@cache
def load_constants() -> PropertyConstants:
    """The constants that ship with the project."""
    with resources.as_file(resources.files("sdl.chemistry") / "data/properties.yaml") as path:
        return load(path, PropertyConstants, "the constants of the properties")


def group(name: str) -> dict[str, Constant]:
    """The constants of one group.

    Raises:
        ConfigError: There is no such group.
    """
    groups = load_constants().groups
    if name not in groups:
        raise ConfigError(
            "there is no such group of property constants",
            got=repr(name),
            allowed=", ".join(groups),
        )
    return groups[name]


def nominal(name: str) -> dict[str, float]:
    """Nominal values of a group, in the units of the data file."""
    return {key: constant.value for key, constant in group(name).items()}


def drawn(name: str, *key: str | int) -> dict[str, float]:
    """Values of a group as the hidden laboratory of ``key`` has them.

    Each constant has its own counter-based draw, so a new constant moves no other, and two
    properties of one family agree about the laboratory.
    """
    return {
        constant: figure.at(float(generator(*key, "constant", name, constant).standard_normal()))
        for constant, figure in group(name).items()
    }
