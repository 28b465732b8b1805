"""The estimate of a scan without its pattern: a noise model fitted to the full one.

A scan of weight fractions w gives scales ``s = w (1 + whole e) + D(w) L z`` with normal e and z,
cut at 0 and divided by their sum: ``whole`` holds the errors of whole phases (structure, packing,
microabsorption), D the standard deviations by counting and by lines, L the Cholesky factor of their
mean correlation. The squares of D are linear in w, as counts are, plus a part in w squared, as the
errors of lines are; non-negative least squares on fits of simulated patterns gives them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls

from sdl.analysis.absorption import linear_absorption
from sdl.analysis.fit import fit_pattern
from sdl.analysis.instrument import Instrument
from sdl.analysis.pattern import simulate_counts
from sdl.analysis.profile import DEFAULT_GRID, DEFAULT_INSTRUMENT, Grid
from sdl.analysis.references import ReferenceSet, load_references
from sdl.analysis.structures import data_path
from sdl.core.errors import ConfigError
from sdl.core.model import Frozen, SafeId, content_hash
from sdl.core.seeds import generator

Array = npt.NDArray[np.float64]

SCAN_MINUTES = (2.0, 8.0)
DETECTED = 3.0
"""A phase is seen when its weight fraction exceeds this many sigma."""

LEAST_SHARE = 1e-3
_SLOPE_AND_RADIUS = 1.5 * 0.5e-4
"""ln tau is -1.5 (mu - mean mu) R; half a micrometre in centimetres."""


class QuickArrays(NamedTuple):
    """What compiled code needs; n phases, t lengths of scan."""

    floor: Array
    """Variance of an absent phase's scale in a pattern without lines, shape ``(t, n)``."""
    linear: Array
    """Variance of phase i per weight of phase k, shape ``(t, n, n)``."""
    square: Array
    """Variance per squared own weight, shape ``(t, n)``."""
    factor: Array
    """Cholesky factors of the correlations, shape ``(t, n, n)``, lower."""
    absorption: Array
    """Linear absorption coefficients times the slope of ln tau, shape ``(n,)``."""
    volume: Array
    """One over the densities, shape ``(n,)``."""
    errors: Array
    """``phase_sd`` and ``grain_ln_sd``, shape ``(2,)``."""


class QuickFile(Frozen):
    """A fitted model as data, ``<system>.quick.json`` beside the sticks."""

    system: SafeId
    names: tuple[str, ...]
    minutes: tuple[float, ...]
    basis_hash: str
    """Content hash of the references and of the instrument it was fitted for."""
    samples: int
    floor: tuple[tuple[float, ...], ...]
    linear: tuple[tuple[tuple[float, ...], ...], ...]
    square: tuple[tuple[float, ...], ...]
    factor: tuple[tuple[tuple[float, ...], ...], ...]


class QuickScan:
    """Estimates of weight fractions as the full observation model would give them.

    Args:
        references: The phases.
        minutes: Lengths of scan.
        arrays: The fitted model.
        samples: How many patterns of each length it was fitted on.
    """

    def __init__(
        self,
        references: ReferenceSet,
        minutes: tuple[float, ...],
        arrays: QuickArrays,
        samples: int,
    ) -> None:
        self.references = references
        self.minutes = minutes
        self.arrays = arrays
        self.samples = samples

    @classmethod
    def fit(
        cls,
        references: ReferenceSet,
        *,
        minutes: tuple[float, ...] = SCAN_MINUTES,
        samples: int | None = None,
        instrument: Instrument = DEFAULT_INSTRUMENT,
        grid: Grid = DEFAULT_GRID,
    ) -> QuickScan:
        """Fits the model on simulated patterns of random mixtures; some 50 ms per pattern.

        Args:
            references: The phases, as handed to ``fit_pattern``.
            minutes: Lengths of scan.
            samples: Patterns of each length; a number that suits the phases if ``None``.
            instrument: The diffractometer.
            grid: Angles of its scans.
        """
        n = len(references.names)
        count = samples or 40 + 8 * n
        rows = [
            _fitted(references, number, length, instrument, grid)
            for length in minutes
            for number in range(count)
        ]
        shares = np.array([row[0] for row in rows]).reshape(len(minutes), count, n)
        inner = np.array([row[1] for row in rows]).reshape(len(minutes), count, n, n)
        parts = [_variances(w, c) for w, c in zip(shares, inner, strict=True)]
        factors = np.array([_correlation(c) for c in inner])
        floor, linear, square = (np.array([part[k] for part in parts]) for k in range(3))
        arrays = _arrays(references, instrument, floor, linear, square, factors)
        return cls(references, minutes, arrays, count)

    @classmethod
    def load(cls, system: str, instrument: Instrument = DEFAULT_INSTRUMENT) -> QuickScan:
        """The shipped model of a chemical system's default phases.

        Raises:
            ConfigError: There is none, or it is older than the sticks or the instrument.
        """
        references = load_references(system)
        path = _path(system)
        if not path.is_file():
            raise ConfigError(
                "the chemical system has no quick model of its scans",
                got=path.name,
                do=f"python -m sdl.analysis.quick {system}",
            )
        file = QuickFile.model_validate_json(path.read_text(encoding="utf-8"))
        if file.basis_hash != _basis_hash(references, instrument):
            raise ConfigError(
                "the quick model is older than what it was fitted to",
                got=f"hash {file.basis_hash[:12]}",
                allowed=f"hash {_basis_hash(references, instrument)[:12]}",
                do=f"python -m sdl.analysis.quick {system}",
                where=path.name,
            )
        parts = (np.array(v) for v in (file.floor, file.linear, file.square, file.factor))
        return cls(references, file.minutes, _arrays(references, instrument, *parts), file.samples)

    def to_file(self, instrument: Instrument = DEFAULT_INSTRUMENT) -> QuickFile:
        """The model as data."""
        a = self.arrays
        return QuickFile(
            system=self.references.system,
            names=self.references.names,
            minutes=self.minutes,
            basis_hash=_basis_hash(self.references, instrument),
            samples=self.samples,
            floor=_shortened(a.floor),
            linear=_shortened(a.linear),
            square=_shortened(a.square),
            factor=_shortened(a.factor),
        )

    def spread(self, shares: Array, which: int) -> tuple[Array, Array]:
        """Standard deviations by noise and lines, and relative errors of whole phases.

        Args:
            shares: Weight fractions, shape ``(rows, n)``.
            which: Length of the scan.

        Returns:
            Both of shape ``(rows, n)``.
        """
        a = self.arrays
        variance = a.floor[which] + shares @ a.linear[which].T + a.square[which] * shares**2
        volumes = shares * a.volume
        mean = (volumes @ a.absorption) / np.maximum(volumes.sum(axis=1), 1e-300)
        dimmed = np.clip(a.absorption[None, :] - mean[:, None], -1.5, 1.5)
        whole = np.sqrt(a.errors[0] ** 2 + (dimmed * a.errors[1]) ** 2)
        return np.sqrt(variance), whole

    def covariance(self, shares: Array, which: int) -> Array:
        """Covariance of estimated weight fractions before the cut at 0, ``(rows, n, n)``."""
        noise, whole = self.spread(shares, which)
        mixed = noise[:, :, None] * self.arrays.factor[which]
        inner = mixed @ mixed.transpose(0, 2, 1)
        n = shares.shape[1]
        inner[:, np.arange(n), np.arange(n)] += (whole * shares) ** 2
        jacobian = np.eye(n)[None] - shares[:, :, None]
        return jacobian @ inner @ jacobian.transpose(0, 2, 1)

    def estimate(self, shares: Array, which: int, normals: Array) -> tuple[Array, Array]:
        """One scan of each row.

        Args:
            shares: True weight fractions, shape ``(rows, n)``.
            which: Length of the scan.
            normals: Independent standard normal numbers, shape ``(rows, 2 n)``.

        Returns:
            Estimated weight fractions, which sum to 1, and their sigma, both ``(rows, n)``.
        """
        n = shares.shape[1]
        noise, whole = self.spread(shares, which)
        scales = shares * np.exp(whole * normals[:, n:])
        scales = scales + noise * (normals[:, :n] @ self.arrays.factor[which].T)
        scales = np.maximum(scales, 0.0)
        seen = scales / np.maximum(scales.sum(axis=1, keepdims=True), 1e-12)
        variance = np.diagonal(self.covariance(seen, which), axis1=1, axis2=2)
        return seen, np.sqrt(np.maximum(variance, 1e-12))

    def detection(self, shares: Array, which: int, phase: int, *, draws: int = 2000) -> Array:
        """Probability that a phase is seen, shape ``(rows,)``, by sampling."""
        found = np.zeros(len(shares))
        for row, share in enumerate(shares):
            normals = generator("quick-detection", row).standard_normal((draws, 2 * len(share)))
            seen, sigma = self.estimate(np.tile(share, (draws, 1)), which, normals)
            found[row] = float((seen[:, phase] > DETECTED * sigma[:, phase]).mean())
        return found


def random_shares(count: int, n: int, *key: object) -> Array:
    """Weight fractions that cover a campaign: a third nearly pure, the others mixed.

    Args:
        count: Rows.
        n: Phases.
        key: Of the random numbers, text or integers.

    Returns:
        Shape ``(count, n)``, rows sum to 1.
    """
    rng = generator("quick-shares", *(str(k) for k in key))
    shares = rng.dirichlet(np.full(n, 0.4), count)
    for row in range(0, count, 3):
        main = int(rng.integers(n))
        shares[row] = 0.05 * rng.random(n) ** 2
        shares[row, main] = 0.0
        shares[row, main] = 1.0 - shares[row].sum()
    # Phases below the least share are absent: routes leave most phases of a system out.
    shares[shares < LEAST_SHARE] = 0.0
    return shares / shares.sum(axis=1, keepdims=True)


def _fitted(
    references: ReferenceSet, number: int, minutes: float, instrument: Instrument, grid: Grid
) -> tuple[Array, Array]:
    """True shares of one mixture and the covariance of its scales, for a sum of 1."""
    n = len(references.names)
    shares = random_shares(number + 1, n, "fit", references.system, n)[number]
    rng = generator("quick-scan", references.system, number, str(minutes))
    weights = {k: float(w) for k, w in zip(references.names, shares, strict=True) if w > 0.0}
    counts = simulate_counts(
        weights, references, scan_min=minutes, rng=rng, grid=grid, instrument=instrument
    )
    fit = fit_pattern(counts, references, grid=grid, scan_min=minutes, instrument=instrument)
    total = max(float(fit.state.scales.sum()), 1e-300)
    return shares, fit.scale_covariance / total**2


def _variances(shares: Array, inner: Array) -> tuple[Array, Array, Array]:
    """Floor ``(n,)``, linear ``(n, n)`` and square ``(n,)`` by non-negative least squares."""
    count, n = shares.shape
    floor, linear, square = np.zeros(n), np.zeros((n, n)), np.zeros(n)
    for i in range(n):
        target = inner[:, i, i]
        design = np.column_stack([np.ones(count), shares, shares[:, i] ** 2])
        found = nnls(design / target[:, None], np.ones(count))[0]
        floor[i], linear[i], square[i] = found[0], found[1 : 1 + n], found[-1]
    return floor, linear, square


def _correlation(inner: Array) -> Array:
    """Cholesky factor of the mean correlation, shape ``(n, n)``."""
    sd = np.sqrt(np.diagonal(inner, axis1=1, axis2=2))
    mean = (inner / (sd[:, :, None] * sd[:, None, :])).mean(axis=0)
    n = len(mean)
    return np.linalg.cholesky(0.999 * mean + 0.001 * np.eye(n))


def _arrays(
    references: ReferenceSet,
    instrument: Instrument,
    floor: Array,
    linear: Array,
    square: Array,
    factor: Array,
) -> QuickArrays:
    slope = -_SLOPE_AND_RADIUS * instrument.grain_um
    return QuickArrays(
        floor=np.ascontiguousarray(floor),
        linear=np.ascontiguousarray(linear),
        square=np.ascontiguousarray(square),
        factor=np.ascontiguousarray(factor),
        absorption=slope * linear_absorption(references.references),
        volume=1.0 / np.array([r.density_g_per_cm3 for r in references.references]),
        errors=np.array([instrument.phase_sd, instrument.grain_ln_sd]),
    )


def _basis_hash(references: ReferenceSet, instrument: Instrument) -> str:
    lines = [[r.name, r.d_angstrom, r.intensity] for r in references.references]
    return content_hash({"lines": lines, "instrument": instrument.model_dump(mode="json")})


def _shortened(values: Array) -> tuple:
    if values.ndim == 1:
        return tuple(float(f"{v:.4g}") for v in values)
    return tuple(_shortened(row) for row in values)


def _path(system: str) -> Path:
    return data_path(f"{system}.sticks.json").with_name(f"{system}.quick.json")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: fits and writes the quick model of one system."""
    parser = argparse.ArgumentParser(description="Fit the quick scan of a chemical system.")
    parser.add_argument("system", help="chemical system, as ba-ti-c-o")
    system = parser.parse_args(arguments).system
    file = QuickScan.fit(load_references(system)).to_file()
    _path(system).write_text(file.model_dump_json(indent=None) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
