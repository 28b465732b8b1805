"""What acts do to matter and what instruments read, with the noise of the virtual world.

Noise is keyed by (world seed, hidden laboratory, sample, number of the act on that sample), never
by call order. The seed alone is no secret; what the laboratory hides is, so a policy cannot compute
the noise from what it is shown.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sdl.analysis.pattern import simulate_counts
from sdl.analysis.references import load_references, patterned
from sdl.core.model import content_hash
from sdl.core.property import Property
from sdl.core.recipe import Gas
from sdl.core.seeds import generator, key_of
from simulators.laboratory import NOMINAL_KEY
from simulators.matter import Material
from simulators.properties import PropertyModel, Specimen, property_model
from simulators.properties.magnetometer import RawCurve, measure_curve
from simulators.properties.sample import ferrite_specimen
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
        self._models: dict[Property, PropertyModel] = {}

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

    def wash(self, material: Material, minutes: float) -> Material:
        """Takes soluble salts away."""
        with self._timed():
            return self.reactor.wash(material, minutes)

    def true_c(self, furnace: str, program_c: float) -> float:
        """Temperature of a sample where the thermocouple reads ``program_c``, degC."""
        return self.reactor.true_temperature_c(furnace, program_c)

    def run_program(
        self,
        vial: Vial,
        furnace: str,
        segments: Sequence[tuple[float, float, float]],
        gas: str,
    ) -> Vial:
        """Heats by the segments of a program, given at the thermocouple."""
        true = [
            Segment(self.true_c(furnace, start_c), self.true_c(furnace, end_c), duration_s)
            for start_c, end_c, duration_s in segments
            if duration_s > 0.0
        ]
        return self._heated(vial, true, Gas(gas))

    def soak_on(self, vial: Vial, heat: Heat, now_s: float) -> Vial:
        """The time a sample stood hot after its program was complete."""
        if now_s <= heat.since_s:
            return vial
        segment = Segment(heat.true_c, heat.true_c, now_s - heat.since_s)
        return self._heated(vial, [segment], Gas(heat.gas))

    def cool(self, vial: Vial, heat: Heat, cooling: str) -> Vial:
        """Cools a hot sample outside the furnace, in air, to room temperature."""
        duration_s = (heat.true_c - ROOM_C) / QUENCH_C_PER_MIN[cooling] * 60.0
        if duration_s <= 0.0:
            return vial
        return self._heated(vial, [Segment(heat.true_c, ROOM_C, duration_s)], Gas.AIR)

    def _heated(self, vial: Vial, segments: Sequence[Segment], gas: Gas) -> Vial:
        with self._timed():
            material = self.reactor.heat(vial.material, segments, gas)
        pieces = tuple((s.start_c, s.end_c, s.duration_s) for s in segments)
        return replace(vial, material=material, history=vial.history + pieces)

    def curve(self, vial: Vial, number: int, measured: Property, temperature_c: float) -> RawCurve:
        """The raw curve of a property of an aliquot, with noise."""
        with self._timed():
            specimen = self.specimen(vial, temperature_c)
            return measure_curve(self._model(measured), specimen, self._key, vial.name, number)

    def specimen(self, vial: Vial, temperature_c: float) -> Specimen:
        """The powder of a vial as a property sees it."""
        return ferrite_specimen(
            self.reactor.weight_fractions(vial.material),
            self.reactor.grains_um(vial.material),
            vial.history,
            self._model(Property.FERRITE_MAGNETISATION).groups["ferrite"],
            temperature_c,
        )

    def _model(self, measured: Property) -> PropertyModel:
        """The property in this laboratory: the nominal one in that where all figures are true."""
        if measured not in self._models:
            model, key = property_model(measured.value), self.reactor.laboratory.key
            self._models[measured] = model if key == NOMINAL_KEY else model.draw(*key)
        return self._models[measured]

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
            phases = patterned(self._system)
            references = load_references(self._system, phases)
            fractions = {name: w for name, w in fractions.items() if name in phases}
            counts = simulate_counts(
                fractions, references, scan_min=scan_min, rng=rng, mount_rng=mount
            )
        return counts.astype(np.int32)
