import sys
from pathlib import Path

import numpy as np
import pytest
from numba import typeof

from envs.batched import BatchedSynthesis
from sdl.chemistry.system import load_system, system_names
from simulators import batch, compiled, kernel
from simulators.laboratory import nominal_laboratory
from simulators.network import Network


@pytest.mark.parametrize("function", [batch.draw_of, batch.perform, kernel.scratch])
def test_functions_that_count_references_say_so(function):
    # Numba hands the choice of a first caller down to what it compiles on the way: the memory of
    # an array was given back twice when the environments were compiled before the batch.
    assert function.targetoptions["_nrt"] is True


def test_compiled_code_gives_back_what_it_is_lent():
    environment = BatchedSynthesis("batio3-coarse", 2, seed=1, threads=1)
    network, lots = environment.problem.network, environment.problem.task.laboratory.shelf
    laboratory = nominal_laboratory(network.system, lots, ("furnace_1",))
    reactor = batch.BatchReactor(network.system, [laboratory], lots, threads=1)
    acts = np.zeros((3, batch.COLUMNS))
    acts[:, 0] = batch.DISPENSE, batch.DISPENSE, batch.MILL
    acts[:, 1], acts[:2, 2] = (0, 2, 20), (500, 200)
    vectors, zero = reactor.empty(2), np.zeros(2, dtype=np.int64)
    action = np.zeros((2, len(environment.nvec)), dtype=np.int64)
    counts = []
    for _ in range(5):
        environment.step(action)
        reactor.run(vectors, zero, acts, zero, zero + 3)
        held = [*environment.laboratories, *reactor.laboratories]
        counts.append([sys.getrefcount(array) for array in held])
    assert counts[1] == counts[-1]


def test_every_file_with_compiled_functions_is_in_the_key_of_the_cache():
    folder = Path(compiled.__file__).parent
    with_code = {  # what runs on a GPU is compiled at run time and kept nowhere
        path.name
        for path in folder.glob("*.py")
        if path.name != "device.py"
        and any(line.startswith(("@compiled", "@borrowing", "@inlined"))
               for line in path.read_text(encoding="utf-8").splitlines())
    }  # fmt: skip
    assert with_code <= set(compiled.SOURCES)


def test_one_compiled_kernel_serves_all_systems():
    # An array in another order is another type, and compiling takes a minute or two.
    types = {str(typeof(Network(load_system(name)).net)) for name in system_names()}
    assert len(types) == 1
