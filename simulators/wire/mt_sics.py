"""A balance of the MT-SICS family: its lines, and what it weighs on a station's pan.

After the Mettler manual's examples (reference 5.2): the weight in grams with five decimals in a
field of ten characters, right-justified. Range and times are those of a usual analytical balance,
not of a model; they are constants below.
"""

from __future__ import annotations

from sdl.core.command import Verb
from sdl.core.seeds import generator
from simulators.act import Act, ActState
from simulators.wire.plant import Plant

CAPACITY_MG = 220_000.0
"""More on the pan is overload, mg."""
ZERO_RANGE_MG = 0.02 * CAPACITY_MG
"""Zeroing farther from the true zero is refused, mg (usual: 2 % of the range)."""
NOISE_SD_MG = 0.02
"""Of the reading of one look, mg."""
SETTLE_S = 2.0
"""Device time for which the reading is unstable after something touched the pan, s."""

IDENTITY = {
    "I1": ('"01"', '"2.30"', '"2.22"', '"1.00"', '"1.00"'),
    "I2": ('"SIM-XPE206 220.00000 g"',),
    "I3": ('"1.00 00.0.00.000"',),
    "I4": ('"SIM0000001"',),
}
COMMANDS = ("I0", "I1", "I2", "I3", "I4", "S", "SI", "SIR", "Z", "ZI", "T", "TI", "TA", "TAC", "@")


def weight_line(command: str, status: str, mass_mg: float) -> str:
    """An answer with a weight, as ``S S   12.34567 g``."""
    grams = round(mass_mg / 1000.0, 5) + 0.0  # never -0.00000
    return f"{command} {status} {grams:10.5f} g"


def identity_lines(command: str) -> list[str]:
    """Answers to ``I0`` (one line for each command, the last with ``A``) to ``I4``."""
    if command != "I0":
        return [" ".join((command, "A", *IDENTITY[command]))]
    last = COMMANDS[-1]
    return [f'I0 {"A" if name == last else "B"} 0 "{name}"' for name in COMMANDS]


class Balance:
    """What stands on the pan of a station, as its balance shows it.

    Args:
        plant: The room.
        station: Whose pan.
    """

    def __init__(self, plant: Plant, station: str) -> None:
        self._plant = plant
        self._station = station
        self._looks = 0
        self.zero_mg = 0.0
        self.tare_mg = 0.0
        self.drift_mg = 0.0
        """Fault: what the reading has wandered by, mg."""
        self.restless = False
        """Fault: draught or vibration; no reading becomes stable."""
        self.overloaded = False
        """Fault: something heavy leans on the pan."""
        self.underloaded = False
        """Fault: the pan was taken off."""

    def running(self) -> Act | None:
        """The dose that runs over the pan."""
        last = self._touched()
        return last if last is not None and last.state is ActState.RUNNING else None

    def gross_mg(self) -> float:
        """What lies on the pan, with drift and noise, mg."""
        self._looks += 1
        noise = generator("pan", self._station, self._looks).standard_normal()
        return self._resting_mg() + self.drift_mg + NOISE_SD_MG * float(noise)

    def net_mg(self) -> float:
        """What the display shows, mg: zero and tare taken off, the sign kept."""
        return self.gross_mg() - self.zero_mg - self.tare_mg

    def is_stable(self) -> bool:
        """Whether the reading stands still."""
        if self.restless:
            return False
        last = self._touched()
        if last is None:
            return True
        if last.state is ActState.RUNNING:
            return False
        touched_s = last.end_s
        if last.verb == Verb.TRANSFER and last.args["destination"] != self._station:
            touched_s = last.start_s
        return self._plant.world.now_s - touched_s >= SETTLE_S

    def out_of_range(self) -> str:
        """``+`` or ``-`` where nothing can be shown, otherwise empty."""
        if self.underloaded:
            return "-"
        return "+" if self.overloaded or self._resting_mg() > CAPACITY_MG else ""

    def weigh(self, command: str) -> str:
        """The present weight, stable or not, as ``S`` or ``SI`` answers."""
        beyond = self.out_of_range()
        if beyond:
            return f"{command} {beyond}"
        return weight_line(command, "S" if self.is_stable() else "D", self.net_mg())

    def zero(self, command: str) -> str:
        """Makes the present load the zero (``Z``, ``ZI``); ``+`` or ``-`` where it is too far."""
        gross_mg, beyond = self.gross_mg(), self.out_of_range()
        if beyond or abs(gross_mg) > ZERO_RANGE_MG:
            return f"{command} {beyond or ('+' if gross_mg > 0.0 else '-')}"
        self.zero_mg, self.tare_mg = gross_mg, 0.0
        immediate = "S" if self.is_stable() else "D"
        return f"{command} {immediate if command == 'ZI' else 'A'}"

    def tare(self, command: str) -> str:
        """Makes the present load the tare (``T``, ``TI``) and answers it."""
        load_mg, beyond = self.gross_mg() - self.zero_mg, self.out_of_range()
        if beyond or load_mg < -1.0:
            return f"{command} {beyond or '-'}"
        self.tare_mg = load_mg
        return weight_line(command, "S" if self.is_stable() else "D", load_mg)

    def power_up(self) -> None:
        """Volatile settings after a power cut: the pan is zeroed if what is on it allows it."""
        self.tare_mg, gross_mg = 0.0, self.gross_mg()
        self.zero_mg = gross_mg if abs(gross_mg) <= ZERO_RANGE_MG else 0.0

    def _resting_mg(self) -> float:
        act = self.running()
        if act is None or act.verb != Verb.DISPENSE:
            return self._plant.gross_mg(self._station)
        # While powder falls the world does not weigh: the share of the time stands for it.
        share = (self._plant.world.now_s - act.start_s) / (act.end_s - act.start_s)
        fallen_mg = float(act.args["mass_mg"]) * min(share, 1.0)
        before_mg = float(act.result["balance_before_mg"])
        return self._plant.tare_mg(act.samples[0]) + before_mg + fallen_mg

    def _touched(self) -> Act | None:
        """The last act that touched the pan: a dose, or a vial put down or taken away.

        A vial that is still on its way has not touched it yet, one that left has.
        """
        for act in reversed(self._plant.world.acts()):
            if act.station == self._station:
                return act
            if act.verb != Verb.TRANSFER:
                continue
            arrived = act.args["destination"] == self._station and act.state is ActState.COMPLETE
            if arrived or self._station == act.args["origin"]:
                return act
        return None
