"""Properties of what was made: laws with sources, noise, hidden laboratories.

Magnetisation and Curie point of mixed spinel ferrites, Curie point, permittivity and loss of
(Ba,Sr)TiO3, conductivity and activation energy of ion conductors. Numbers stand in
``sdl/chemistry/data/properties.yaml``; most are recalled or abstracts, each says so.
"""

from simulators.properties.model import Measurement, PropertyModel
from simulators.properties.registry import property_model, property_names
from simulators.properties.specimen import Batch, Specimen, composition

__all__ = [
    "Batch",
    "Measurement",
    "PropertyModel",
    "Specimen",
    "composition",
    "property_model",
    "property_names",
]
