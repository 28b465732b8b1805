"""Standard coordinates of what a laboratory hides: each in units of its prior's deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from agents.adapting.structure import SIDE, SIDE_FROM, SIDE_WITH
from envs.hidden import OFFSET_CUT
from sdl.core.capabilities import StationKind
from sdl.tasks.task import Task
from simulators.batch import Laboratories
from simulators.draws import LOWEST_BARRIER, draw_arrays
from simulators.laboratory import Laboratory, nominal_laboratory, widths_of
from simulators.network import FloatArray, IntArray, Network

Kind = Literal[
    "energy", "ln_k", "activation", "assay", "particle", "mixing", "offset", "melt", "nucleation",
    "side_speed", "side_back", "side_drive",
]  # fmt: skip
SIDE_SPEED_LN_SD, SIDE_BACK_LN_SD, SIDE_DRIVE_SD_KJ_PER_MOL = 2.0, 1.0, 5.0
"""Of a phase that nobody has named: widths of what nothing is known of, sourced nowhere."""
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
        solids = [n for n in network.solid_names if not n.startswith(SIDE)]
        rows = [n for n in network.row_names if not n.startswith((SIDE_FROM, SIDE_WITH))]
        table: list[tuple[Kind, str, float]] = [
            *(("energy", str(n), widths.energy_kj_per_mol[n]) for n in solids),
            *(("ln_k", n, widths.ln_k[n]) for n in rows),
            *(("activation", n, widths.activation_kj_per_mol[n]) for n in rows),
            *(("assay", str(lot.name), hidden.assay_sd) for lot in lots),
            *(("particle", str(lot.name), hidden.particle_ln_sd) for lot in lots),
            ("mixing", "", hidden.mixing_sd),
            *(("offset", name, hidden.thermocouple_sd_c) for name in furnaces),
            *(("melt", str(m.name), widths.ln_melt[m.name]) for m in network.system.melts),
            ("nucleation", "", widths.ln_nucleation),
        ]
        unnamed: tuple[tuple[Kind, str, float], ...] = (
            ("side_speed", "", SIDE_SPEED_LN_SD),
            ("side_back", "", SIDE_BACK_LN_SD),
            ("side_drive", "", SIDE_DRIVE_SD_KJ_PER_MOL),
        )
        if len(solids) < len(network.solid_names):
            table += unnamed
        kinds, names, sd = zip(*table, strict=True)
        draw = draw_arrays(network, nominal_laboratory(network.system, lots, ()), lots)
        arrays = {k: np.asarray(v, dtype=np.float64)[None] for k, v in draw._asdict().items()}
        nominal = Laboratories(**arrays, offset_c=np.zeros((1, len(furnaces))))
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
        moved[:, [phases.index(n) for n in self._named("energy")]] = of("energy")
        rows = list(self.network.row_names)
        plain = [rows.index(n) for n in self._named("ln_k")]
        ln_k, activation = np.zeros((len(z), len(rows))), np.zeros((len(z), len(rows)))
        ln_k[:, plain], activation[:, plain] = of("ln_k"), of("activation")
        if "side_speed" in self.kinds:
            moved[:, [n.startswith(SIDE) for n in phases]] = -of("side_drive")
            ln_k[:, [n.startswith(SIDE_FROM) for n in rows]] = of("side_speed")
            ln_k[:, [n.startswith(SIDE_WITH) for n in rows]] = of("side_back")
        limit = OFFSET_CUT * self.sd[self.places("offset")]
        return Laboratories(
            shift=moved @ self.network.stoichiometry.T,
            ln_k=base.ln_k + ln_k,
            activation=np.maximum(LOWEST_BARRIER, base.activation + activation),
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
            }.get(kind, lambda _: 0.0)(name)
            found[i] = value / self.sd[i] if self.sd[i] > 0.0 else 0.0
        return found

    @property
    def _lot_names(self) -> list[str]:
        return self._named("assay")

    def _named(self, kind: Kind) -> list[str]:
        """What the coordinates of a kind are about."""
        return [n for k, n in zip(self.kinds, self.names, strict=True) if k == kind]
