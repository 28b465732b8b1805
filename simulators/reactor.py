"""One sample in one laboratory: dispense, mill, heat; the truth behind every measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdl.chemistry.system import ChemicalSystem
from sdl.chemistry.thermo import ZERO_CELSIUS_K
from sdl.core.errors import ChemistryError
from sdl.core.material import Lot
from sdl.core.recipe import Gas
from simulators import kernel, powder
from simulators.draws import check_lots, draw_arrays
from simulators.laboratory import Laboratory
from simulators.matter import Material
from simulators.network import GAS_NUMBER, FloatArray, Network

COLDEST_C = -50.0


@dataclass(frozen=True)
class Segment:
    """A piece of a thermal history: linear in time, true sample temperatures."""

    start_c: float
    end_c: float
    duration_s: float


class Reactor:
    """The physics of one laboratory for single samples.

    Every method is pure: it returns a new ``Material``.

    Args:
        system: The chemistry.
        laboratory: What the laboratory hides.
        lots: The shelf.
        p_co2_bar: Replaces the CO2 pressure of every gas, bar.
        tolerance: Error of one step of the solver as a share of the sample's moles.

    Raises:
        ChemistryError: A lot holds a phase that the system lacks.
    """

    def __init__(
        self,
        system: ChemicalSystem,
        laboratory: Laboratory,
        lots: Sequence[Lot],
        *,
        p_co2_bar: float | None = None,
        tolerance: float = kernel.TOLERANCE,
    ) -> None:
        self.network = Network(system, p_co2_bar)
        check_lots(self.network, lots)
        self.system = system
        self.laboratory = laboratory
        self.lots = {lot.name: lot for lot in lots}
        self.draw = draw_arrays(self.network, laboratory, lots)
        self.tolerance = tolerance
        self.hottest_c = system.range_k()[1] - ZERO_CELSIUS_K
        """Highest temperature for which the system has free energies, degC."""
        self._work = kernel.scratch(self.network.net)
        self._numbers = {lot.name: i for i, lot in enumerate(lots)}

    def empty(self) -> Material:
        """An empty vial."""
        return Material(self.system.name, np.zeros(self.network.size))

    def dispense(self, material: Material, lot_name: str, mass_mg: float) -> Material:
        """Pours a powder on top; it reacts only after milling.

        Args:
            material: What is in the vial.
            lot_name: The bottle.
            mass_mg: Mass as weighed, mg, inert matter of the lot included.

        Raises:
            ChemistryError: The lot is not on the shelf, or the mass is negative or NaN.
        """
        if lot_name not in self._numbers:
            raise ChemistryError(
                "there is no such lot on the shelf", got=lot_name, allowed=", ".join(self.lots)
            )
        number = self._numbers[lot_name]
        mass = _not_negative("a mass", mass_mg, "mg")
        vector = self._copy(material)
        powder.dispense(
            self.network.net,
            vector,
            self.network.solid_names.index(self.lots[lot_name].phase),
            mass,
            float(self.draw.assay[number]),
            float(self.draw.particle_um[number]),
        )
        return Material(self.system.name, vector)

    def mill(self, material: Material, minutes: float) -> Material:
        """Mixes and grinds; after a firing it takes the layers off and renews contact.

        Raises:
            ChemistryError: The time is negative or NaN.
        """
        time = _not_negative("a milling time", minutes, "min")
        vector = self._copy(material)
        powder.mill(self.network.net, vector, time, self.draw.mixing)
        return Material(self.system.name, vector)

    def press(self, material: Material, pressure_mpa: float) -> Material:
        """Presses the powder into a pellet: more grains find a partner.

        Raises:
            ChemistryError: The pressure is negative or NaN.
        """
        pressure = _not_negative("a pressure", pressure_mpa, "MPa")
        vector = self._copy(material)
        powder.press(self.network.net, vector, pressure)
        return Material(self.system.name, vector)

    def wash(self, material: Material, minutes: float) -> Material:
        """Washes soluble salts out; what they held leaves the sample.

        Raises:
            ChemistryError: The time is negative or NaN.
        """
        time = _not_negative("a washing time", minutes, "min")
        vector = self._copy(material)
        powder.wash(self.network.net, vector, time)
        return Material(self.system.name, vector)

    def true_temperature_c(self, furnace: str, program_c: float) -> float:
        """Temperature of the sample when the furnace's controller reads ``program_c``, degC."""
        return program_c + self.laboratory.thermocouple_c.get(furnace, 0.0)

    def heat(self, material: Material, segments: Sequence[Segment], gas: Gas) -> Material:
        """Takes a sample through a thermal history in a gas.

        Args:
            material: What is in the vial.
            segments: True temperatures; the thermocouple's offset is already in them.
            gas: The atmosphere.

        Raises:
            ChemistryError: The system lacks the gas, a temperature is outside the free
                energies, a duration is negative, or a figure is NaN.
        """
        if gas not in self.system.gases:
            raise ChemistryError(
                f"the system {self.system.name} has no data for this gas",
                got=gas.value,
                allowed=", ".join(g.value for g in self.system.gases),
            )
        vector = self._copy(material)
        for segment in segments:
            for temperature in (segment.start_c, segment.end_c):
                if not COLDEST_C <= temperature <= self.hottest_c:
                    raise ChemistryError(
                        "a temperature is outside the system's free energies",
                        got=f"{temperature:g} degC",
                        allowed=f"{COLDEST_C:g} to {self.hottest_c:g} degC",
                        do="lower the furnace's limit; nothing is extrapolated",
                    )
            kernel.heat(
                self.network.net,
                self.draw,
                vector,
                GAS_NUMBER[gas],
                segment.start_c + ZERO_CELSIUS_K,
                segment.end_c + ZERO_CELSIUS_K,
                _not_negative("a duration", segment.duration_s, "s"),
                self.tolerance,
                self._work,
            )
        return Material(self.system.name, vector)

    def solid_moles(self, material: Material) -> dict[str, float]:
        """Moles of each solid in contact or not, mmol."""
        names, vector = self.network.solid_names, material.vector
        count = len(names)
        return {n: float(vector[i] + vector[count + i]) for i, n in enumerate(names)}

    def weight_fractions(self, material: Material) -> dict[str, float]:
        """True weight fractions of the crystalline solids that are present; they sum to 1.

        The inert matter of the lots is taken as amorphous and stays out.
        """
        masses = {
            name: moles * self.system.phase(name).molar_mass_g_per_mol
            for name, moles in self.solid_moles(material).items()
        }
        total = sum(masses.values())
        if total <= 0.0:
            return {}
        return {name: mass / total for name, mass in masses.items() if mass > 0.0}

    def grains_um(self, material: Material) -> dict[str, float]:
        """Grain diameter of each solid, um; 0 for one that was never there."""
        names = self.network.solid_names
        first = 3 * len(names)
        return {n: float(material.vector[first + i]) for i, n in enumerate(names)}

    def purity(self, material: Material, phase: str) -> float:
        """True weight fraction of one phase, 0 if it is absent."""
        return self.weight_fractions(material).get(phase, 0.0)

    def mass_mg(self, material: Material) -> float:
        """Mass in the vial, mg, inert matter included."""
        moles = self.solid_moles(material)
        mass = sum(n * self.system.phase(p).molar_mass_g_per_mol for p, n in moles.items())
        return mass + float(material.vector[-1])

    def moles_of_elements(self, material: Material, *, gases: bool = False) -> dict[str, float]:
        """Moles of each element in the solids, mmol.

        Args:
            material: What is in the vial.
            gases: Adds what has left as gas (and takes off what was taken up), so that the
                sum stays what was dispensed.
        """
        amounts = self.solid_moles(material)
        if gases:
            start = 4 * len(self.network.solid_names)
            for v, name in enumerate(self.network.vapour_names):
                amounts[name] = float(material.vector[start + v])
        return {
            element: sum(
                n * self.system.phase(p).composition.get(element, 0.0) for p, n in amounts.items()
            )
            for element in self.system.elements
        }

    def _copy(self, material: Material) -> FloatArray:
        if material.system != self.system.name or material.vector.size != self.network.size:
            raise ChemistryError(
                "the material belongs to another system",
                got=material.system,
                allowed=self.system.name,
            )
        return material.vector.copy()


def _not_negative(what: str, value: float, unit: str) -> float:
    if not 0.0 <= value < float("inf"):
        raise ChemistryError(
            f"{what} must be a number and not negative", got=value, allowed=f">= 0 {unit}"
        )
    return float(value)
