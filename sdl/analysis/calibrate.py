"""Calibrates the diffractometer on the scans of known mixtures and writes ``data/aeris.yaml``.

``python -m sdl.analysis.calibrate ../shared/data/xrd_mixtures/dataset.tar.gz``; about 3 minutes of
one core. Weights enter ``grain_um``, ``grain_ln_sd``, ``phase_sd`` and ``line_rate`` alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import yaml

from sdl.analysis.absorption import contrast
from sdl.analysis.columns import phase_lines
from sdl.analysis.fit import PatternFit
from sdl.analysis.instrument import BACKGROUND_FROM_DEG, Instrument, InstrumentFile
from sdl.analysis.mixtures import MINUTES, Mixture, read_mixtures
from sdl.analysis.phase_errors import Evidence, evidence, fitted_errors
from sdl.analysis.profile import DEFAULT_INSTRUMENT, Array
from sdl.analysis.references import WAVELENGTH_ANGSTROM

SOURCE = """\
40 scans of 20 known mixtures, Malvern Panalytical Aeris, Cu, 40 kV, 15 mA (CederGroupHub/dara at
621e38a, MIT). Profile: least misfit of the 2-minute scans. Displacement, spread, sizes, cells,
texture, rates: means and robust spreads of those fits. line_sd: robust spread of the
integrated lines that stand alone.
grain_um, grain_ln_sd: greatest likelihood of the fitted scales against what was weighed in.
phase_sd: error over sigma of mixtures left out.
illuminated, of an aliquot of some tens of milligrams, is a choice of ours."""
COMMAND = "python -m sdl.analysis.calibrate ../shared/data/xrd_mixtures/dataset.tar.gz"

_START = {
    "caglioti_u_deg2": 0.0088,
    "caglioti_v_deg2": -0.011,
    "caglioti_w_deg2": 0.0075,
    "lorentz_deg": 0.02,
    "asymmetry": 0.08,
    "footprint": 0.112,
    "k_beta": 0.003,
    "spread_deg2": 0.045,
    "displacement_deg": 0.1,
    "displacement_sd_deg": 0.07,
    "crystallite_nm": 80.0,
    "crystallite_ln_sd": 0.5,
    "line_sd": 0.06,
    "phase_sd": 0.15,
    "grain_um": 2.0,
    "grain_ln_sd": 0.4,
    "cell_sd": 7e-4,
    "texture_ln_sd": 0.15,
}
"""Where the search begins, so that it does not depend on the file it writes."""

_STEPS = {
    "footprint": 0.015,
    "asymmetry": 0.015,
    "caglioti_w_deg2": 0.002,
    "caglioti_v_deg2": 0.002,
    "caglioti_u_deg2": 0.002,
    "lorentz_deg": 0.006,
    "k_beta": 0.0015,
}
"""First step of each profile constant; the second sweep takes half."""

_STRONG_LINE, _ALONE_DEG, _OWN_SHARE, _SURE = 0.05, 0.5, 0.85, 0.04
"""Lines for ``line_sd``: least intensity over the strongest, window to both sides, least share of
the phase in it, and counting noise below this part of the line."""
_MAD = 1.4826
_DIGITS = 4


def calibrate(mixtures: Sequence[Mixture], start: Instrument = DEFAULT_INSTRUMENT) -> Instrument:
    """All constants of the instrument but ``illuminated``."""
    instrument = start.model_copy(update=_START)
    for shrink in (1.0, 0.5):
        for name, step in _STEPS.items():
            instrument = _improved(mixtures, instrument, name, step * shrink)
    instrument = instrument.model_copy(update={"line_sd": _line_sd(mixtures, instrument)})
    fits = [(m, m.fit(0, instrument=instrument)) for m in mixtures]
    instrument = instrument.model_copy(update=_mounts(fits) | _background(fits))
    instrument = fitted_errors(gathered(mixtures, instrument), instrument)
    return instrument.model_copy(update={"line_rate": _line_rate(fits, instrument)})


def gathered(mixtures: Sequence[Mixture], instrument: Instrument) -> list[Evidence]:
    """What both scans of each mixture say."""
    return [
        evidence(
            [m.fit(which, instrument=instrument) for which in range(len(MINUTES))],
            m.references().references,
            np.array(list(m.weights.values())),
        )
        for m in mixtures
    ]


def misfit(mixtures: Sequence[Mixture], instrument: Instrument) -> float:
    """Mean logarithm of the Poisson chi-square per point of the 2-minute scans."""
    logs = []
    for mixture in mixtures:
        counts = np.array(mixture.scans[0].counts)
        rest = counts - mixture.fit(0, instrument=instrument).fitted
        logs.append(np.log((rest**2 / np.maximum(counts, 1.0)).mean()))
    return float(np.mean(logs))


def _improved(
    mixtures: Sequence[Mixture], instrument: Instrument, name: str, step: float
) -> Instrument:
    """The best of three values of one constant and the bottom of their parabola."""
    value = float(getattr(instrument, name))
    tried: dict[float, tuple[float, Instrument]] = {}

    def judge(trial: float) -> float:
        other = instrument.model_copy(update={name: trial})
        tried[trial] = misfit(mixtures, other), other
        return tried[trial][0]

    low, middle, high = (judge(v) for v in (value - step, value, value + step))
    bend = low - 2.0 * middle + high
    if bend > 0.0:
        away = 0.5 * (low - high) / bend
        judge(value + step * float(np.clip(away, -1.5, 1.5)))
    return min(tried.values(), key=lambda pair: pair[0])[1]


def _line_sd(mixtures: Sequence[Mixture], instrument: Instrument) -> float:
    """Robust spread of counted over fitted intensity of lines that stand alone."""
    ratios: list[float] = []
    for mixture in mixtures:
        fit = mixture.fit(0, instrument=instrument)
        counts, grid = np.array(mixture.scans[0].counts), mixture.scans[0].grid
        lines = fit.fitted - fit.background
        for name, shape in zip(mixture.weights, fit.state.shapes, strict=True):
            own, known = fit.contributions[name], phase_lines(mixture.references()[name])
            strong = known.intensity >= _STRONG_LINE * known.intensity[0]
            spacing = (known.spacing * np.exp(known.shares @ shape.strains))[strong]
            sine = WAVELENGTH_ANGSTROM[0] / (2.0 * spacing)
            for theta in np.arcsin(sine[sine < np.sin(np.radians(grid.angles_deg[-1] / 2.0))]):
                centre = np.degrees(2.0 * theta) + fit.displacement_deg * np.cos(theta)
                near = np.abs(grid.angles_deg - centre) < _ALONE_DEG
                mine = float(own[near].sum())
                if (
                    mine > _OWN_SHARE * lines[near].sum()
                    and counts[near].sum() < (_SURE * mine) ** 2
                ):
                    ratios.append(float((counts - fit.fitted)[near].sum()) / mine)
    return _spread(np.array(ratios))


def _spread(values: Array) -> float:
    return float(_MAD * np.median(np.abs(values - np.median(values))))


def _mounts(fits: Sequence[tuple[Mixture, PatternFit]]) -> dict[str, float]:
    shifts = np.array([fit.state.mount.displacement_deg for _, fit in fits])
    uneven = np.array([max(fit.state.mount.spread_deg2, 0.0) for _, fit in fits])
    strong = [
        (reference, shape)
        for mixture, fit in fits
        for reference, shape, free in zip(
            mixture.references().references, fit.state.shapes, fit.state.freedom, strict=True
        )
        if free > 1
    ]
    sizes = -np.log([shape.inverse_size_per_nm for _, shape in strong])
    strains = np.concatenate([shape.strains for _, shape in strong])
    turned = np.array([s.ln_texture for r, s in strong if r.texture_axis is not None])
    return {
        "displacement_deg": float(shifts.mean()),
        "displacement_sd_deg": float(shifts.std(ddof=1)),
        "spread_deg2": float(uneven.mean()),
        "crystallite_nm": float(np.exp(np.median(sizes))),
        "crystallite_ln_sd": _spread(sizes),
        "cell_sd": float(_MAD * np.median(np.abs(strains))),
        "texture_ln_sd": float(np.sqrt((turned**2).mean())),
    }


def _background(fits: Sequence[tuple[Mixture, PatternFit]]) -> dict[str, float]:
    """Flat part from 85-95 degrees, air scatter from 10.5 and 25 degrees above it."""
    flats, airs, decays = [], [], []
    for mixture, fit in fits:
        grid = mixture.scans[0].grid
        rate = fit.background / (grid.step_deg * MINUTES[0])
        flat, near, far = (
            float(rate[np.abs(grid.angles_deg - at) < within].mean())
            for at, within in ((90.0, 5.0), (10.5, 0.5), (25.0, 1.0))
        )
        flats.append(flat)
        if near > far > flat:
            decay = (25.0 - 10.5) / np.log((near - flat) / (far - flat))
            decays.append(decay)
            airs.append((near - flat) * np.exp((10.5 - BACKGROUND_FROM_DEG) / decay))
    return {
        "flat_rate_per_deg": float(np.exp(np.median(np.log(flats)))),
        "air_rate_per_deg": float(np.exp(np.median(np.log(airs)))),
        "air_decay_deg": float(np.median(decays)),
        "background_ln_sd": _spread(np.log(airs)),
    }


def _line_rate(fits: Sequence[tuple[Mixture, PatternFit]], instrument: Instrument) -> float:
    logs = []
    for mixture, fit in fits:
        references = mixture.references().references
        weights = np.array(list(mixture.weights.values()))
        absorption = float(weights @ [r.mass_absorption_cm2_per_g for r in references])
        dimmed = contrast(weights, references, instrument)
        logs.append(np.log(fit.state.scales * absorption / weights) - dimmed)
    return float(np.exp(np.median(np.concatenate(logs))) / MINUTES[0])


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def write(instrument: Instrument, path: Path) -> None:
    """Writes the data file of an instrument."""
    constants = {name: _rounded(value) for name, value in instrument.model_dump().items()}
    file = InstrumentFile(
        source=" ".join(SOURCE.split()),
        command=COMMAND,
        instrument=Instrument.model_validate(constants),
    )
    text = yaml.safe_dump(file.model_dump(), sort_keys=False, width=96, allow_unicode=False)
    path.write_text(text, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line: the archive of scans."""
    parser = argparse.ArgumentParser(description="Calibrate the diffractometer on known mixtures.")
    parser.add_argument("archive", type=Path, help="dataset.tar.gz of CederGroupHub/dara")
    archive = parser.parse_args(arguments).archive
    path = Path(str(resources.files("sdl.analysis").joinpath("data", "aeris.yaml")))
    write(calibrate(read_mixtures(archive)), path)


if __name__ == "__main__":
    main()
