"""What acts do to matter and what instruments read, with the noise of the virtual world.

Noise is keyed by (world seed, hidden laboratory, sample, number of the act on that sample), never
by call order. The seed alone is no secret; what the laboratory hides is, so a policy cannot compute
the noise from what it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from sdl.analysis.pattern import simulate_counts
from sdl.analysis.references import load_references
from sdl.core.model import content_hash
from sdl.core.recipe import Gas
from sdl.core.seeds import generator, key_of
from simulators.matter import Material
from simulators.reactor import Reactor, Segment
from simulators.stations import QUENCH_C_PER_MIN, ROOM_C, StationModel
from simulators.vial import Heat, Vial


class Effects:
    """The reactor, the detector and their noise.

    Args:
        reactor: The physics of this laboratory.
        system: Name of the chemical system, for the reference patterns.
        seed: World seed.
        model: Accuracies of the stations.
    """

    def __init__(self, reactor: Reactor, system: str, seed: int, model: StationModel) -> None:
        self.reactor = reactor
        # Equal laboratories make equal noise: on disk, in memory, after a restart.
        self._key = key_of(seed, content_hash(reactor.laboratory.to_json()))
        self.model = model
        self.physics_s = 0.0
        """Wall time spent in the reactor and the detector; a figure for benches."""
        self._system = system

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.physics_s += time.perf_counter() - begun

    def dose_mg(self, vial: Vial, number: int, mass_mg: float) -> float:
        """What really falls when ``mass_mg`` is asked for, mg."""
        model = self.model
        z = float(generator(self._key, "dose", vial.name, number).standard_normal())
        return mass_mg * (1.0 + model.dosing_sd * max(-model.dosing_cut, min(z, model.dosing_cut)))

    def balance_mg(self, vial: Vial, number: int, moment: str) -> float:
        """A reading of the powder in a tared vial, mg."""
        model = self.model
        z = float(generator(self._key, "balance", vial.name, number, moment).standard_normal())
        mass_mg = self.reactor.mass_mg(vial.material) + model.balance_sd_mg * z
        return round(
            round(mass_mg / model.balance_readability_mg) * model.balance_readability_mg, 6
        )

    def thermocouple_c(self, sample: str, number: int, program_c: float) -> float:
        """A reading of the furnace's thermocouple at the end of the soak, degC."""
        z = float(generator(self._key, "thermocouple", sample, number).standard_normal())
        return round(program_c + self.model.thermocouple_sd_c * z, 1)

    def dispense(self, material: Material, lot: str, mass_mg: float) -> Material:
        """Adds powder."""
        with self._timed():
            return self.reactor.dispense(material, lot, mass_mg)

    def mill(self, material: Material, minutes: float) -> Material:
        """Mixes or regrinds."""
        with self._timed():
            return self.reactor.mill(material, minutes)

    def true_c(self, furnace: str, program_c: float) -> float:
        """Temperature of a sample where the thermocouple reads ``program_c``, degC."""
        return self.reactor.true_temperature_c(furnace, program_c)

    def run_program(
        self,
        material: Material,
        furnace: str,
        segments: Sequence[tuple[float, float, float]],
        gas: str,
    ) -> Material:
        """Heats by the segments of a program, given at the thermocouple."""
        true = [
            Segment(self.true_c(furnace, start_c), self.true_c(furnace, end_c), duration_s)
            for start_c, end_c, duration_s in segments
            if duration_s > 0.0
        ]
        with self._timed():
            return self.reactor.heat(material, true, Gas(gas))

    def soak_on(self, material: Material, heat: Heat, now_s: float) -> Material:
        """The time a sample stood hot after its program was complete."""
        if now_s <= heat.since_s:
            return material
        with self._timed():
            segment = Segment(heat.true_c, heat.true_c, now_s - heat.since_s)
            return self.reactor.heat(material, [segment], Gas(heat.gas))

    def cool(self, material: Material, heat: Heat, cooling: str) -> Material:
        """Cools a hot sample outside the furnace, in air, to room temperature."""
        duration_s = (heat.true_c - ROOM_C) / QUENCH_C_PER_MIN[cooling] * 60.0
        if duration_s <= 0.0:
            return material
        with self._timed():
            return self.reactor.heat(material, [Segment(heat.true_c, ROOM_C, duration_s)], Gas.AIR)

    def counts(self, vial: Vial, number: int, scan_min: float) -> npt.NDArray[np.int32]:
        """A powder pattern with counting noise, shape ``(points,)``.

        What belongs to the powder and how it lies (packing, grains, cells, height) repeats in every
        scan of a vial: a second scan averages counts, not errors of the mount.
        """
        rng = generator(self._key, "scan", vial.name, number)
        mount = generator(self._key, "mount", vial.name)
        with self._timed():
            fractions = self.reactor.weight_fractions(vial.material)
            # Powder may hold phases that no fit looks for; they diffract all the same.
            default = load_references(self._system).names
            phases = (*default, *(name for name in fractions if name not in default))
            references = load_references(self._system, phases)
            counts = simulate_counts(
                fractions, references, scan_min=scan_min, rng=rng, mount_rng=mount
            )
        return counts.astype(np.int32)
