"""Standard coordinates of what a laboratory hides: each in units of its prior's deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from envs.hidden import OFFSET_CUT
from sdl.core.capabilities import StationKind
from sdl.tasks.task import Task
from simulators.batch import Laboratories
from simulators.draws import LOWEST_BARRIER, draw_arrays
from simulators.laboratory import Laboratory, nominal_laboratory, widths_of
from simulators.network import FloatArray, IntArray, Network

Kind = Literal[
    "energy", "ln_k", "activation", "assay", "particle", "mixing", "offset", "melt", "nucleation"
]
LEAST_ASSAY = 0.01
"""As ``simulators.laboratory.draw_laboratory`` cuts it."""


@dataclass(frozen=True)
class HiddenSpace:
    """Hidden figures of a task's laboratories as D coordinates, each standard normal a priori.

    Attributes:
        network: The chemistry that is believed in.
        kinds: Kind of each coordinate, in the order of the arrays.
        names: What each coordinate is about: a solid, a row of kinetics, a lot, a furnace, a melt.
        sd: Prior standard deviation of each in its own unit, ``(D,)``.
        nominal: The laboratory in which every label is true, one row.
    """

    network: Network
    kinds: tuple[Kind, ...]
    names: tuple[str, ...]
    sd: FloatArray
    nominal: Laboratories

    @classmethod
    def of_task(cls, task: Task, network: Network) -> HiddenSpace:
        """The coordinates of a task whose laboratories are believed to follow a network."""
        widths, hidden = widths_of(network.system, task.hidden), task.hidden
        lots = task.laboratory.shelf
        furnaces = [s.name for s in task.laboratory.of_kind(StationKind.FURNACE)]
        table: list[tuple[Kind, str, float]] = [
            *(("energy", n, widths.energy_kj_per_mol[n]) for n in network.solid_names),
            *(("ln_k", n, widths.ln_k[n]) for n in network.row_names),
            *(("activation", n, widths.activation_kj_per_mol[n]) for n in network.row_names),
            *(("assay", str(lot.name), hidden.assay_sd) for lot in lots),
            *(("particle", str(lot.name), hidden.particle_ln_sd) for lot in lots),
            ("mixing", "", hidden.mixing_sd),
            *(("offset", name, hidden.thermocouple_sd_c) for name in furnaces),
            *(("melt", str(m.name), widths.ln_melt[m.name]) for m in network.system.melts),
            ("nucleation", "", widths.ln_nucleation),
        ]
        kinds, names, sd = zip(*table, strict=True)
        draw = draw_arrays(network, nominal_laboratory(network.system, lots, ()), lots)
        rows = {k: np.asarray(v, dtype=np.float64)[None] for k, v in draw._asdict().items()}
        nominal = Laboratories(**rows, offset_c=np.zeros((1, len(furnaces))))
        return cls(network, kinds, names, np.array(sd), nominal)

    def __len__(self) -> int:
        """Number of coordinates."""
        return len(self.kinds)

    def places(self, kind: Kind) -> IntArray:
        """Which coordinates are of a kind."""
        return np.array([i for i, k in enumerate(self.kinds) if k == kind], dtype=np.int64)

    def arrays(self, z: FloatArray) -> Laboratories:
        """Laboratories at coordinates, shape ``(n, D)``; cut as the draws of the prior are."""
        shifted, base = z * self.sd, self.nominal

        def of(kind: Kind) -> FloatArray:
            return shifted[:, np.array(self.kinds) == kind]

        phases = [p.name for p in self.network.system.phases]
        moved = np.zeros((len(z), len(phases)))
        moved[:, [phases.index(n) for n in self.network.solid_names]] = of("energy")
        limit = OFFSET_CUT * self.sd[self.places("offset")]
        return Laboratories(
            shift=moved @ self.network.stoichiometry.T,
            ln_k=base.ln_k + of("ln_k"),
            activation=np.maximum(LOWEST_BARRIER, base.activation + of("activation")),
            melt_speed=np.maximum(1.0, base.melt_speed * np.exp(of("melt"))),
            nucleation=base.nucleation * np.exp(of("nucleation")[:, 0]),
            assay=np.clip(base.assay + of("assay"), LEAST_ASSAY, 1.0),
            particle_um=base.particle_um * np.exp(of("particle")),
            mixing=base.mixing * np.exp(of("mixing")[:, 0]),
            offset_c=np.clip(of("offset"), -limit, limit),
        )

    def coordinates(self, laboratory: Laboratory) -> FloatArray:
        """Where a laboratory lies, ``(D,)``; for tests and scores, never for a decision."""
        labels = dict(zip(self._lot_names, self.nominal.assay[0], strict=True))
        sizes = dict(zip(self._lot_names, self.nominal.particle_um[0], strict=True))
        found = np.zeros(len(self))
        for i, (kind, name) in enumerate(zip(self.kinds, self.names, strict=True)):
            value = {
                "energy": lambda n: laboratory.phase_energy_kj_per_mol.get(n, 0.0),
                "ln_k": lambda n: laboratory.ln_k.get(n, 0.0),
                "activation": lambda n: laboratory.activation_kj_per_mol.get(n, 0.0),
                "assay": lambda n: laboratory.lots[n].assay - labels[n],
                "particle": lambda n: np.log(laboratory.lots[n].particle_um / sizes[n]),
                "mixing": lambda _: np.log(laboratory.mixing),
                "offset": lambda n: laboratory.thermocouple_c.get(n, 0.0),
                "melt": lambda n: laboratory.ln_melt.get(n, 0.0),
                "nucleation": lambda _: np.log(laboratory.nucleation),
            }[kind](name)
            found[i] = value / self.sd[i] if self.sd[i] > 0.0 else 0.0
        return found

    @property
    def _lot_names(self) -> list[str]:
        return [n for k, n in zip(self.kinds, self.names, strict=True) if k == "assay"]
