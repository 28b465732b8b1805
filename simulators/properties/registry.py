"""The properties that a campaign can ask for, by name: one entry each."""

from __future__ import annotations

from collections.abc import Callable

from sdl.core.errors import ConfigError
from simulators.properties import electrolyte, ferrite, titanate
from simulators.properties.cations import FERRITES
from simulators.properties.constants import Values
from simulators.properties.electrolyte import ELECTROLYTES
from simulators.properties.instrument import Analyser, Instrument, Meter
from simulators.properties.model import Law, PropertyModel, nominal_groups
from simulators.properties.specimen import Batch, FloatArray
from simulators.properties.titanate import TITANATES

_FERRITE = ("temperature_c", "homogeneity", "cations_frozen_c", "grain_um")
_TITANATE = ("temperature_c", "grain_um", "homogeneity", "relative_density")
_ELECTROLYTE = ("temperature_c", "grain_um", "relative_density")


def _of(group: str, law: Callable[[Values, Batch], FloatArray]) -> Law:
    return lambda groups, batch: law(groups[group], batch)


def _ferrite(
    name: str, unit: str, law: Callable[[Values, Batch], FloatArray], meter: Instrument
) -> PropertyModel:
    inputs = _FERRITE if unit != "K" else ("cations_frozen_c",)
    return PropertyModel(
        name, unit, inputs, tuple(FERRITES), _of("ferrite", law), nominal_groups("ferrite"), meter
    )


def _titanate(
    name: str, unit: str, law: Callable[[Values, Batch], FloatArray], meter: Instrument
) -> PropertyModel:
    inputs = _TITANATE if unit != "K" else ("grain_um",)
    groups = nominal_groups("titanate")
    return PropertyModel(name, unit, inputs, tuple(TITANATES), _of("titanate", law), groups, meter)


def _electrolyte(name: str, unit: str, law: Law, *, sweep: bool) -> PropertyModel:
    groups = nominal_groups(*ELECTROLYTES)
    analyser = Analyser(sweep=sweep)
    return PropertyModel(
        name, unit, _ELECTROLYTE, ELECTROLYTES, law, groups, analyser, log=not sweep
    )


# Repeatability and calibration: usual figures of a vibrating-sample magnetometer, a thermobalance
# in a field, an LCR bridge; assumptions, none from a data sheet.
_ENTRIES: dict[str, Callable[[str], PropertyModel]] = {
    "ferrite-magnetisation": lambda name: _ferrite(
        name, "A m2/kg", ferrite.magnetisation, Meter(0.005, 0.02, scale_sd=0.01)
    ),
    "ferrite-curie-point": lambda name: _ferrite(
        name, "K", ferrite.curie_point_k, Meter(0.0, 2.0, offset_sd=1.0, transition=True)
    ),
    "titanate-curie-point": lambda name: _titanate(
        name, "K", titanate.curie_point_k, Meter(0.0, 1.0, offset_sd=0.5, transition=True)
    ),
    "titanate-permittivity": lambda name: _titanate(
        name, "1", titanate.permittivity, Meter(0.01, 1.0, scale_sd=0.02)
    ),
    "titanate-permittivity-maximum": lambda name: _titanate(
        name, "1", titanate.permittivity_maximum, Meter(0.01, 1.0, scale_sd=0.02)
    ),
    "titanate-loss-tangent": lambda name: _titanate(
        name, "1", titanate.loss_tangent, Meter(0.02, 5e-4, offset_sd=3e-4)
    ),
    "electrolyte-conductivity": lambda name: _electrolyte(
        name, "S/cm", electrolyte.conductivity, sweep=False
    ),
    "electrolyte-activation": lambda name: _electrolyte(
        name, "eV", electrolyte.activation_ev, sweep=True
    ),
}


def property_names() -> tuple[str, ...]:
    """Names of all properties."""
    return tuple(_ENTRIES)


def property_model(name: str) -> PropertyModel:
    """A property by name, with nominal constants.

    Raises:
        ConfigError: There is no such property.
    """
    if name not in _ENTRIES:
        raise ConfigError(
            "there is no such property",
            got=repr(name),
            allowed=", ".join(_ENTRIES),
            do="correct the key `property`",
        )
    return _ENTRIES[name](name)
