"""A property of a specimen: its law, its constants, its instrument; nominal or hidden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pydantic import Field

from sdl.core.errors import ChemistryError
from sdl.core.model import Frozen
from simulators.properties.constants import drawn, nominal
from simulators.properties.instrument import Groups, Instrument
from simulators.properties.specimen import Batch, FloatArray, Specimen

Law = Callable[[Groups, Batch], FloatArray]
"""Values of a property, shape ``(n,)``, from constants and specimens."""


class Measurement(Frozen):
    """One property of one specimen as the laboratory read it."""

    property: str
    value: float
    sigma: float = Field(ge=0)
    """Repeatability; a laboratory's calibration error is common to all its readings."""
    unit: str
    quality: str = "good"
    """``good``, or why the value should not be trusted."""


@dataclass(frozen=True, eq=False)
class PropertyModel:
    """A property with a source.

    The nominal model has the values of ``properties.yaml``; ``draw`` gives the same property in a
    hidden laboratory, whose constants differ by their widths. All properties of one family that
    are drawn with one key share these constants: they speak of one world.

    ``mean`` and ``batch`` are the truth of this world, ``measure`` what its instrument shows.

        >>> from simulators.properties import Specimen, property_model
        >>> truth = property_model("ferrite-magnetisation").draw("laboratory", 7)
        >>> sample = Specimen(phases={"NiFe2O4": 0.49, "ZnFe2O4": 0.51}, grain_um=3.0)
        >>> reading = truth.measure(sample, "campaign", 1, "S7", 4)
        >>> abs(reading.value - truth.mean(sample)) < 4.0
        True
        >>> reading.unit
        'A m2/kg'

    Args:
        name: Name in the registry.
        unit: Unit of value and sigma.
        inputs: Fields of ``Specimen`` that matter, besides the phases.
        hosts: Phases without which there is nothing to measure.
        law: The physics.
        groups: Constants by group.
        instrument: How it is read.
        log: The value spans decades: learn its logarithm.
    """

    name: str
    unit: str
    inputs: tuple[str, ...]
    hosts: tuple[str, ...]
    law: Law
    groups: Groups
    instrument: Instrument
    log: bool = False

    def batch(self, batch: Batch) -> FloatArray:
        """True values of many specimens, shape ``(n,)``; for surrogates and figures."""
        return self.law(self.groups, batch)

    def mean(self, specimen: Specimen) -> float:
        """True value of one specimen, in ``unit``."""
        return float(self.batch(Batch.of([specimen]))[0])

    def measurable(self, specimen: Specimen) -> bool:
        """Whether the specimen holds any phase that has this property."""
        return any(specimen.phases.get(host, 0.0) > 0.0 for host in self.hosts)

    def measure(self, specimen: Specimen, *key: str | int) -> Measurement:
        """A reading.

        Args:
            specimen: What is measured.
            *key: What the noise belongs to, as seed, sample and number of the act; equal keys
                give equal noise, whatever was measured before.

        Raises:
            ChemistryError: Nothing in the specimen has this property.
        """
        if not self.measurable(specimen):
            raise ChemistryError(
                f"nothing in this specimen has the property {self.name}",
                got=", ".join(specimen.phases),
                allowed=f"at least one of {', '.join(self.hosts)}",
            )
        truth = self.mean(specimen)
        reading = self.instrument.read(self.groups, specimen, truth, *key, "property", self.name)
        return Measurement(
            property=self.name,
            value=reading.value,
            sigma=reading.sigma,
            unit=self.unit,
            quality=reading.quality,
        )

    def draw(self, *key: str | int) -> PropertyModel:
        """This property in the hidden laboratory of ``key``."""
        return replace(
            self,
            groups={name: drawn(name, *key) for name in self.groups},
            instrument=self.instrument.draw(*key, "property", self.name),
        )


def nominal_groups(*names: str) -> Groups:
    """Nominal constants of some groups."""
    return {name: nominal(name) for name in names}
