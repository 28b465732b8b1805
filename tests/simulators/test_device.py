"""The kernel of the GPU in numba's simulator of CUDA: plain Python, so only a few short samples."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import cuda

from sdl.chemistry.system import load_system
from sdl.core.errors import ConfigError, MissingExtraError
from sdl.core.recipe import Gas
from sdl.tasks.task import Hidden
from simulators.batch import ANNEAL, COLUMNS, DISPENSE, MILL, PRESS, BatchReactor
from simulators.device import DeviceReactor, require_device
from simulators.gates.recipes import gate_lots
from simulators.laboratory import draw_laboratory, laboratory_key
from simulators.network import GAS_NUMBER

SYSTEM, LOTS = load_system("ba-ti-c-o"), gate_lots(1.0)
LABORATORIES = [
    draw_laboratory(SYSTEM, Hidden(), LOTS, ("furnace_1",), *laboratory_key("train", i))
    for i in range(2)
]
SIMULATED = """
import sys
import numpy as np
from test_device import LABORATORIES, LOTS, SYSTEM
from simulators.device import DeviceReactor, memory_for, work_of
from simulators.kernel import scratch

given = np.load(sys.argv[1])
reactor = DeviceReactor(SYSTEM, LABORATORIES, LOTS)
vectors = reactor.empty(len(given["laboratory"]))
middle = given["first"] + 3
reactor.run(vectors, given["laboratory"], given["acts"], given["first"], middle)
samples = reactor.load(vectors, given["laboratory"])
reactor.advance(samples, given["acts"], middle, given["last"])
steps = samples.unload(vectors)
ours, theirs = work_of(memory_for(reactor.network.net, 2), 1), scratch(reactor.network.net)
pairs = [*zip(ours[0], theirs[0], strict=True), *zip(ours[1:], theirs[1:], strict=True)]
assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in pairs)
alone = reactor.empty(1)
reactor.run(alone, given["laboratory"][2:], given["acts"], given["first"][2:], given["last"][2:])
np.savez(sys.argv[2], vectors=vectors, steps=steps, alone=alone)
"""


def acts():
    """Three samples: an empty vial, one of air, one reground in nitrogen."""
    doses = [[DISPENSE, 0, 1268.0], [DISPENSE, 1, 513.0], [MILL, 20.0]]
    short = [ANNEAL, GAS_NUMBER[Gas.AIR], 1000.0, 1.0, 20.0, 100.0, GAS_NUMBER[Gas.AIR], 0]
    again = [ANNEAL, GAS_NUMBER[Gas.NITROGEN], 850.0, 0.5, 20.0, 5.0, GAS_NUMBER[Gas.AIR], 0]
    lists = [[[MILL, 1.0]] * 3, [*doses, short], [*doses, [PRESS, 50.0], again, [MILL, 5.0]]]
    ends = np.cumsum([len(each) for each in lists])
    starts = ends - [len(each) for each in lists]
    rows = [row + [0] * (COLUMNS - len(row)) for each in lists for row in each]
    return np.array(rows, dtype=np.float64), starts.astype(np.int64), ends.astype(np.int64)


def test_the_kernel_of_the_device_gives_what_the_one_of_the_processor_gives(root, tmp_path):
    rows, first, last = acts()
    laboratory = np.array([0, 0, 1])
    reactor = BatchReactor(SYSTEM, LABORATORIES, LOTS, threads=1)
    wanted = reactor.empty(3)
    reactor.run(wanted, laboratory, rows, first, last)
    given, found = tmp_path / "given.npz", tmp_path / "found.npz"
    np.savez(given, acts=rows, first=first, last=last, laboratory=laboratory)
    path = os.pathsep.join([str(root), str(root / "tests" / "simulators")])
    switches = {"NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", SIMULATED, str(given), str(found)],
        env={**os.environ, **switches}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    simulated = np.load(found)
    np.testing.assert_allclose(simulated["vectors"], wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(simulated["alone"][0], simulated["vectors"][2])
    assert simulated["steps"] == reactor.steps
    fractions = reactor.weight_fractions(simulated["vectors"])
    made = reactor.network.solid_names.index("BaTiO3")
    assert fractions[0].sum() == 0.0
    assert 0.05 < fractions[2, made] < fractions[1, made]


@pytest.mark.skipif(cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_reactor_says_what_is_missing(monkeypatch):
    with pytest.raises(ConfigError, match=r"numba-cuda|no NVIDIA GPU"):
        DeviceReactor(SYSTEM, LABORATORIES, LOTS)
    monkeypatch.setattr("simulators.device.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"solid-state-sdl\[gpu\]"):
        require_device()
    monkeypatch.setattr("simulators.device.find_spec", lambda name: name)
    with pytest.raises(ConfigError, match="no NVIDIA GPU"):
        require_device()


def test_the_simulator_of_cuda_needs_the_compiler_off(monkeypatch):
    monkeypatch.setattr("numba.config.ENABLE_CUDASIM", 1)
    with pytest.raises(ConfigError, match="NUMBA_DISABLE_JIT"):
        require_device()


@pytest.mark.skipif(not cuda.is_available(), reason="no GPU")
def test_processor_and_device_agree():
    rows, first, last = acts()
    laboratory = np.array([0, 0, 1])
    host = BatchReactor(SYSTEM, LABORATORIES, LOTS)
    device = DeviceReactor(SYSTEM, LABORATORIES, LOTS)
    wanted, found = host.empty(3), host.empty(3)
    host.run(wanted, laboratory, rows, first, last)
    device.run(found, laboratory, rows, first, last)
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-9)
