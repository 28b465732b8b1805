"""Free energies stated as sums over other phases, resolved into tables before a file is checked.

A measured line such as ``BaO + CuO = BaCuO2: -63.4 - 0.0525 T`` stands in the file as it was
published; the table follows from the tables of the parents, over the range they share.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError

from sdl.chemistry.thermo import KJ_PER_MOL_PER_EV, GibbsTable
from sdl.core.model import Frozen


class GibbsSum(Frozen):
    """``G = sum(number x G of phase) + a + b T``."""

    from_: Annotated[dict[str, float], Field(alias="from", min_length=1)]
    """Moles of other phases of the file per mole of this one."""
    a_kj_per_mol: float
    b_kj_per_mol_k: float = 0.0

    def table(self, parents: dict[str, GibbsTable]) -> GibbsTable:
        """The table over the range that the parents share.

        Args:
            parents: Tables of the phases named in ``from``.

        Raises:
            ValueError: The parents share no range.
        """
        start = max(parents[name].start_k for name in sorted(self.from_))
        end = min(parents[name].end_k for name in sorted(self.from_))
        step = min(parents[name].step_k for name in sorted(self.from_))
        count = int((end - start) / step + 1e-9) + 1
        if count < 2:
            raise ValueError("the phases of `from` share no range of temperatures")
        values = []
        for i in range(count):
            t = start + i * step
            kj = sum(n * parents[name].kj_per_mol(t) for name, n in self.from_.items())
            values.append((kj + self.a_kj_per_mol + self.b_kj_per_mol_k * t) / KJ_PER_MOL_PER_EV)
        return GibbsTable(start_k=start, step_k=step, ev_per_formula=tuple(values))


def resolve_sums(data: dict[str, Any]) -> dict[str, Any]:
    """The raw file with every sum replaced by its table; what cannot be resolved is left.

    Args:
        data: The file as loaded. A wrong entry stays as it is, so that the check of the model
            names its line.
    """
    phases = data.get("phases")
    if not isinstance(phases, (list, tuple)) or not any(_is_sum(p) for p in phases):
        return data
    tables: dict[str, GibbsTable] = {}
    waiting = {}
    for i, phase in enumerate(phases):
        if not isinstance(phase, dict) or not isinstance(phase.get("name"), str):
            continue
        try:
            if _is_sum(phase):
                waiting[i] = GibbsSum.model_validate(phase["gibbs"])
            else:
                tables[phase["name"]] = GibbsTable.model_validate(phase.get("gibbs"))
        except ValidationError:
            continue
    resolved = list(phases)
    while True:
        ready = [i for i, each in waiting.items() if set(each.from_) <= set(tables)]
        if not ready:
            return {**data, "phases": resolved}
        for i in ready:
            table = waiting.pop(i).table(tables)
            tables[phases[i]["name"]] = table
            resolved[i] = {**phases[i], "gibbs": table.model_dump()}


def _is_sum(phase: Any) -> bool:
    return isinstance(phase, dict) and "from" in (phase.get("gibbs") or ())
