"""The 40 scans of 20 known mixtures (CederGroupHub/dara, MIT): what gate V9 rests on."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sdl.analysis.fit import PatternFit, fit_pattern
from sdl.analysis.instrument import Instrument
from sdl.analysis.profile import DEFAULT_INSTRUMENT
from sdl.analysis.references import ReferenceSet, load_references
from sdl.analysis.xrdml import MAX_BYTES, Scan, parse_xrdml, weighed_in
from sdl.core.errors import ConfigError

SYSTEM = "mixtures"
FOLDER = "precursor_mixture"
MINUTES = (2.0, 8.0)

_NAMES = {"La(OH)3": "LaO3H3", "TiO2": "TiO2-anatase"}
"""Phases whose name in the files is no name of ours."""


@dataclass(frozen=True)
class Mixture:
    """One weighed-in mixture and its two scans."""

    name: str
    weights: dict[str, float]
    """Weight fractions by phase of the structure file."""
    scans: tuple[Scan, Scan]
    """Of 2 and of 8 minutes."""

    def references(self, without: Sequence[str] = ()) -> ReferenceSet:
        """Patterns of the phases that were weighed in, some left out."""
        return load_references(SYSTEM, [p for p in self.weights if p not in without])

    def fit(
        self,
        which: int,
        references: ReferenceSet | None = None,
        instrument: Instrument = DEFAULT_INSTRUMENT,
    ) -> PatternFit:
        """Fits one of the scans: 0 the fast one, 1 the slow one."""
        scan = self.scans[which]
        return fit_pattern(
            scan.counts,
            references or self.references(),
            grid=scan.grid,
            scan_min=MINUTES[which],
            instrument=instrument,
        )


def read_mixtures(archive: Path) -> tuple[Mixture, ...]:
    """Mixtures of the archive ``dataset.tar.gz``, by name.

    Raises:
        ConfigError: The archive cannot be read or lacks one of the scans of a mixture.
    """
    try:
        with tarfile.open(archive) as tar:
            found = {PurePosixPath(m.name).name: _scan(tar, m) for m in tar if _is_mixture(m)}
    except (OSError, tarfile.TarError) as err:
        raise ConfigError(
            "the archive of mixtures cannot be read",
            got=str(err),
            allowed="dataset.tar.gz of CederGroupHub/dara",
            do="check the path",
            where=archive,
        ) from err
    mixtures = []
    for name in sorted({file.split("--")[0] for file in found}):
        files = [f"{name}--{minutes:g}min.xrdml" for minutes in MINUTES]
        if missing := [file for file in files if file not in found]:
            raise ConfigError(
                "a mixture lacks a scan",
                got=name,
                allowed=", ".join(missing),
                do="fetch the archive again",
                where=archive,
            )
        weights = {_NAMES.get(p, p): w for p, w in weighed_in(files[0]).items()}
        mixtures.append(Mixture(name, weights, (found[files[0]], found[files[1]])))
    return tuple(mixtures)


def _is_mixture(member: tarfile.TarInfo) -> bool:
    path = PurePosixPath(member.name)
    return member.isfile() and path.suffix == ".xrdml" and path.parent.name == FOLDER


def _scan(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Scan:
    file = tar.extractfile(member)
    data = b"" if file is None else file.read(MAX_BYTES + 1)
    return parse_xrdml(data, PurePosixPath(member.name).name)
