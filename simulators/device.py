"""The kernel on a GPU: one thread for each sample, compiled from the functions that the CPU runs.

Numba compiles for a device the very functions that it meets in a kernel, so the physics has one
source (``simulators.kernel``, ``powder``, ``batch.perform``); here stand only the launch, the
layout of memory and the cube root of the device. Arrays with a row for each sample or thread are
kept in Fortran order: threads side by side then read memory side by side, and the functions, which
take slices, do not notice.

State of this module: numba's simulator of CUDA runs it in the tests (plain Python), and it compiled
once to machine code of compute capability 9.0 (numba-cuda 0.30, CUDA 12.9: 255 registers, 320 bytes
of stack). It has never run on a GPU: speed, and agreement there, are not known. A device has its
own exponential and fuses multiply-adds, so last bits differ; the solver's choice of steps carries
them far in some anneals (on a CPU: rows ``cpu_last_bit`` of ``sdl.bench.gpu``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import numba.cuda
import numpy as np
from numba.extending import overload

from sdl.chemistry.system import ChemicalSystem
from sdl.core.errors import ConfigError, MissingExtraError
from sdl.core.material import Lot
from simulators import kernel
from simulators.batch import BatchReactor, Laboratories, draw_of, perform
from simulators.compiled import compiled, cube_root
from simulators.conditions import Awake
from simulators.laboratory import Laboratory
from simulators.net import FloatArray, IndexArray, IntArray, Net
from simulators.segment import ROWS, Scratch

cuda: Any = numba.cuda  # numba-cuda takes the place of this module and has no types
CONFIG: Any = numba.config  # pyright: ignore[reportPrivateImportUsage]
THREADS_PER_BLOCK = 128
MOST_THREADS = 1 << 17
"""Threads of a launch; more samples take turns. Each needs 38 R + 30 N words of scratch memory: in
all 4 GB for the R = 82 reactions of N = 29 places in Y-Ba-Cu-C-O."""


class Memory(NamedTuple):
    """Scratch of T threads, Fortran order: R reactions, N solids of a segment, M melts."""

    reaction: FloatArray  # (T, 28, R)
    reaction_number: IntArray  # (T, 2, R)
    reaction_place: IndexArray  # (T, 8, R)
    solid: FloatArray  # (T, 4 + ROWS, N)
    solid_number: IntArray  # (T, 3, N)
    solid_place: IndexArray  # (T, N)
    liquid: FloatArray  # (T, 3, M + 1)
    size: IntArray  # (T, 4)


@overload(cube_root, target="cuda")
def _cube_root_device(value):
    return lambda value: cuda.libdevice.cbrt(value)


@compiled
def work_of(memory: Memory, t: int) -> Scratch:
    """Scratch of one thread, as views; what stands in it at the start does not matter."""
    reaction, solid, place = memory.reaction, memory.solid, memory.reaction_place
    awake = Awake(
        memory.reaction_number[t, 0], place[t, 0:6], reaction[t, 0:6], reaction[t, 6:11],
        reaction[t, 11:14], memory.reaction_number[t, 1], place[t, 6], place[t, 7],
        memory.solid_number[t, 0], memory.solid_number[t, 1], memory.solid_place[t],
        memory.solid_number[t, 2], memory.size[t],
    )  # fmt: skip
    return Scratch(
        awake, reaction[t, 14:17], reaction[t, 17:20], reaction[t, 20:23], reaction[t, 23],
        reaction[t, 24], reaction[t, 25], reaction[t, 26], reaction[t, 27], solid[t, 0],
        solid[t, 1], solid[t, 2], solid[t, 3], solid[t, 4:], memory.liquid[t],
    )  # fmt: skip


@cuda.jit
def run_rows(
    net: Net, laboratories: Laboratories, lot_solid: IntArray, laboratory: IntArray,
    acts: FloatArray, first: IntArray, last: IntArray, vectors: FloatArray, rows: int,
    tolerance: float, memory: Memory, steps: IntArray,
) -> None:  # fmt: skip
    """Performs acts ``first[i]:last[i]`` on row ``i < rows``; ``steps`` counts the solver's."""
    thread, threads = cuda.grid(1), memory.size.shape[0]
    if thread >= threads:
        return
    work = work_of(memory, thread)
    for i in range(thread, rows, threads):
        b = laboratory[i]
        draw = draw_of(laboratories, b)
        for a in range(first[i], last[i]):
            steps[i] += perform(
                net, draw, laboratories.offset_c[b], lot_solid, acts[a], vectors[i],
                tolerance, work,
            )  # fmt: skip


def require_device() -> None:
    """Refuses to go on where there is no GPU.

    Raises:
        MissingExtraError: numba-cuda is not installed.
        ConfigError: There is no NVIDIA GPU or no driver; or numba's simulator of CUDA was asked
            for, which runs plain Python, without switching the compiler off.
    """
    if simulated():
        if not CONFIG.DISABLE_JIT:
            raise ConfigError(
                "the simulator of CUDA runs plain Python, and the kernel is compiled",
                got="NUMBA_ENABLE_CUDASIM=1 alone",
                do="set NUMBA_DISABLE_JIT=1 too",
            )
        return
    if find_spec("numba_cuda") is None:
        raise MissingExtraError("numba-cuda", "gpu", "the kernel on a GPU")
    if not cuda.is_available():
        raise ConfigError(
            "there is no NVIDIA GPU that this process can use",
            got=" ".join(str(cuda.cuda_error() or "no device").split()),
            do="install the driver (nvidia-smi shows the GPU), or use BatchReactor",
        )


def memory_for(net: Net, threads: int) -> Memory:
    """Unset scratch memory of the device."""

    def unset(dtype: Any, *shape: int) -> Any:
        return cuda.device_array((threads, *shape), dtype, order="F")

    reactions, solids = net.kind.size, 2 * net.used + 1
    return Memory(
        unset(np.float64, 28, reactions), unset(np.int64, 2, reactions),
        unset(np.uint64, 8, reactions), unset(np.float64, 4 + ROWS, solids),
        unset(np.int64, 3, solids), unset(np.uint64, solids),
        unset(np.float64, 3, net.melt.shape[0] + 1), unset(np.int64, 4),
    )  # fmt: skip


def simulated() -> bool:
    """Whether numba's simulator of CUDA stands for the device."""
    return bool(CONFIG.ENABLE_CUDASIM)


def wait() -> None:
    """Waits until the device has done what it was given."""
    cuda.synchronize()


def peaks() -> tuple[float, float]:
    """Peak of the device by its own attributes: float64 operations and bytes of memory per s.

    A fused multiply-add counts as two operations. Units for float64 of a multiprocessor by compute
    capability: CUDA C++ Programming Guide, throughput of arithmetic instructions (recalled).
    """
    device = cuda.get_current_device()
    units = {(6, 0): 32, (7, 0): 32, (8, 0): 32, (9, 0): 64, (10, 0): 64}
    each = units.get(tuple(device.compute_capability), 2)
    flops = 2e3 * each * device.MULTIPROCESSOR_COUNT * device.CLOCK_RATE
    # Two transfers per clock of the memory; clocks are in kHz, the bus in bits.
    return flops, 2e3 * device.MEMORY_CLOCK_RATE * device.GLOBAL_MEMORY_BUS_WIDTH / 8.0


@dataclass(frozen=True)
class Samples:
    """Samples in the memory of the device.

    Args:
        rows: Number of samples.
        vectors: (rows or more, size) in Fortran order; other programs of the device can read it.
        laboratory: Number of each row's laboratory.
        steps: Solver steps of each row so far.
    """

    rows: int
    vectors: Any
    laboratory: Any
    steps: Any

    def unload(self, vectors: FloatArray) -> int:
        """Waits for the device and copies the samples into ``vectors``, (rows, size).

        Returns:
            Solver steps taken since the samples were loaded.
        """
        vectors[:] = self.vectors.copy_to_host()[: self.rows]
        return int(self.steps.copy_to_host().sum())


class DeviceReactor(BatchReactor):
    """``BatchReactor`` on a GPU, with the same rows, acts and results.

    ``run`` takes and gives arrays of the host. ``load``, ``advance`` and ``Samples.unload`` leave
    the samples on the device between acts. The first launch compiles for a minute.

    Takes what ``BatchReactor`` takes, but for the threads of the host.

    Args:
        most_threads: Bounds the scratch memory, see ``MOST_THREADS``.

    Raises:
        MissingExtraError: numba-cuda is not installed.
        ConfigError: There is no NVIDIA GPU or no driver.
    """

    def __init__(
        self,
        system: ChemicalSystem,
        laboratories: Sequence[Laboratory],
        lots: Sequence[Lot],
        furnaces: Sequence[str] = ("furnace_1",),
        *,
        p_co2_bar: float | None = None,
        tolerance: float = kernel.TOLERANCE,
        most_threads: int = MOST_THREADS,
    ) -> None:
        require_device()
        super().__init__(
            system, laboratories, lots, furnaces,
            p_co2_bar=p_co2_bar, tolerance=tolerance, threads=1,
        )  # fmt: skip
        self.most_threads = most_threads
        self._net = Net(*(_constant(field) for field in self.network.net))
        self._laboratories = Laboratories(*(_by_row(field) for field in self.laboratories))
        self._lot_solid = cuda.to_device(self.lot_solid)
        self._memory: Memory | None = None

    def load(self, vectors: FloatArray, laboratory: IntArray) -> Samples:
        """Copies samples to the device.

        Args:
            vectors: (rows, size) samples.
            laboratory: (rows,) number of each row's laboratory.
        """
        rows = len(vectors)
        return Samples(
            rows=rows,
            vectors=_by_row(vectors),
            laboratory=cuda.to_device(np.asarray(laboratory, dtype=np.int64)),
            steps=cuda.to_device(np.zeros(rows, dtype=np.int64)),
        )

    def advance(self, samples: Samples, acts: Any, first: Any, last: Any) -> None:
        """Starts acts ``first[i]`` to ``last[i]`` (exclusive) on row ``i``; does not wait.

        Args:
            samples: Changed in place.
            acts: (acts, 8) float64 acts of the host or the device, C order.
            first: (rows,) int64 index of the first act.
            last: (rows,) index after the last act.
        """
        if samples.rows == 0:
            return
        memory = self._scratch(samples.rows)
        blocks = memory.size.shape[0] // THREADS_PER_BLOCK
        run_rows[blocks, THREADS_PER_BLOCK](
            self._net, self._laboratories, self._lot_solid, samples.laboratory,
            on_device(acts), on_device(first), on_device(last), samples.vectors, samples.rows,
            self.tolerance, memory, samples.steps,
        )  # fmt: skip

    def run(
        self,
        vectors: FloatArray,
        laboratory: IntArray,
        acts: FloatArray,
        first: IntArray,
        last: IntArray,
    ) -> None:
        """As ``BatchReactor.run``: in place, on arrays of the host."""
        samples = self.load(vectors, laboratory)
        self.advance(samples, acts, first, last)
        self.steps += samples.unload(vectors)

    def _scratch(self, rows: int) -> Memory:
        """Scratch memory, kept: launches follow one another on the device."""
        blocks = -(-min(rows, self.most_threads) // THREADS_PER_BLOCK)
        threads = blocks * THREADS_PER_BLOCK
        if self._memory is None or self._memory.size.shape[0] < threads:
            self._memory = None  # freed before more is asked for
            self._memory = memory_for(self.network.net, threads)
        return self._memory


def _constant(field: Any) -> Any:
    """A field of the network: arrays go to the device, numbers with each launch."""
    return cuda.to_device(field) if isinstance(field, np.ndarray) else field


def _by_row(rows: FloatArray) -> Any:
    """An array with a row for each sample or laboratory, in Fortran order.

    One row is doubled: an array of one is of both orders, and would be compiled for again.
    """
    return cuda.to_device(np.asfortranarray(np.repeat(rows, 2, axis=0) if len(rows) == 1 else rows))


def on_device(array: Any) -> Any:
    """Arrays of the host are copied; those of the device, of other libraries too, are used."""
    return cuda.to_device(np.ascontiguousarray(array)) if isinstance(array, np.ndarray) else array
