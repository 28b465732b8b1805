"""The solver is compiled once for all chemical systems: their arrays differ in length alone."""

import numba

from sdl.chemistry.system import load_system, system_names
from simulators.network import Network


def test_arrays_of_all_systems_have_the_same_types():
    types = {
        name: [(str(numba.typeof(field))) for field in Network(load_system(name)).net]
        for name in system_names()
    }
    first = next(iter(types.values()))
    assert all(found == first for found in types.values())
