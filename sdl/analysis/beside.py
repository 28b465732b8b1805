"""Structures and stick patterns that stand beside a system file, wherever that is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from sdl.analysis.references import ReferenceSet, StickFile
from sdl.analysis.structures import StructureFile, structures_hash
from sdl.core.errors import ConfigError
from sdl.core.yaml import load, read_text


@dataclass(frozen=True)
class Beside:
    """What a folder holds of the diffraction of a system."""

    structures: StructureFile | None
    sticks: StickFile | None

    @property
    def current(self) -> bool:
        """Whether the stick patterns were computed from these very structures."""
        if self.structures is None or self.sticks is None:
            return False
        return self.sticks.structures_hash == structures_hash(self.structures)

    def references(self) -> ReferenceSet | None:
        """The default set of the system; ``None`` without patterns that are up to date."""
        if self.structures is None or self.sticks is None or not self.current:
            return None
        fit = {s.name for s in self.structures.structures if s.role == "fit"}
        kept = tuple(r for r in self.sticks.references if r.name in fit)
        return ReferenceSet(self.sticks.system, kept)


def read_beside(system_file: Path) -> Beside:
    """Reads ``<stem>.structures.yaml`` and ``<stem>.sticks.json`` where they exist.

    Raises:
        ConfigError: One of them is there and wrong.
    """
    structures = system_file.with_name(f"{system_file.stem}.structures.yaml")
    sticks = system_file.with_name(f"{system_file.stem}.sticks.json")
    return Beside(
        structures=load(structures, StructureFile, "the structures file")
        if structures.is_file()
        else None,
        sticks=_read_sticks(sticks) if sticks.is_file() else None,
    )


def _read_sticks(path: Path) -> StickFile:
    try:
        return StickFile.model_validate_json(read_text(path, "the stick patterns"))
    except ValidationError as err:
        first = err.errors()[0]
        raise ConfigError(
            "these are no stick patterns",
            got=f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            allowed="a file written by sdl.analysis.regenerate",
            do=f"delete it and run python -m sdl.analysis.regenerate {path.name.split('.')[0]}",
            where=path,
        ) from err
