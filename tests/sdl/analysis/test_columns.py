"""Columns of phases: slopes agree with differences, cells and texture move lines as they should."""

from dataclasses import replace

import numpy as np
import pytest

from sdl.analysis import columns
from sdl.analysis.columns import Shape, draw_phase, phase_lines
from sdl.analysis.lattice import axis_cosine2, march_dollase, strain_shares
from sdl.analysis.profile import DEFAULT_GRID, DEFAULT_INSTRUMENT, typical_mount
from sdl.analysis.references import load_references

REFERENCES = load_references("mixtures")
MOUNT = typical_mount(DEFAULT_INSTRUMENT)


def _drawn(name, mount=MOUNT, **changes):
    lines = phase_lines(REFERENCES[name])
    shape = replace(Shape(1 / 80.0, np.zeros(lines.lengths)), **changes)
    return draw_phase(lines, DEFAULT_GRID, DEFAULT_INSTRUMENT, mount, shape)


def _agrees(slope, high, low, step):
    difference = (high - low) / step
    # Points that pass the middle of an asymmetric line are in the difference alone.
    assert np.linalg.norm(difference - slope) < 0.12 * np.linalg.norm(slope)


@pytest.mark.parametrize("name", ["V2O5", "NiO", "Li2CO3"])
def test_slopes_agree_with_differences(name, monkeypatch):
    # Weak lines get no slopes in a fit; here they do.
    monkeypatch.setattr(columns, "_STILL_WINDOW_DEG", 0.0)
    here = _drawn(name)
    for kind, step in (("displacement_deg", 2e-3), ("spread_deg2", 2e-3)):
        low, high = (
            _drawn(name, replace(MOUNT, **{kind: getattr(MOUNT, kind) + side * step / 2}))
            for side in (-1, 1)
        )
        slope = here.by_displacement if kind == "displacement_deg" else here.by_spread
        _agrees(slope, high.column, low.column, step)
    low, high = (_drawn(name, inverse_size_per_nm=np.exp(s * 0.01) / 80.0) for s in (-1, 1))
    _agrees(here.by_ln_size, high.column, low.column, 0.02)
    lengths = len(here.by_strain)
    for k in range(lengths):
        step = np.zeros(lengths)
        step[k] = 2e-5
        low, high = (_drawn(name, strains=side * step) for side in (-1, 1))
        _agrees(here.by_strain[k], high.column, low.column, 4e-5)
    if here.by_texture is not None:
        low, high = (_drawn(name, ln_texture=side * 0.01) for side in (-1, 1))
        _agrees(here.by_texture, high.column, low.column, 0.02)


def test_small_steps_by_slopes_and_large_ones_anew():
    here = _drawn("ZnO")
    shape = Shape(1 / 75.0, np.full(2, 5e-5))
    near = here.nudged(replace(MOUNT, displacement_deg=MOUNT.displacement_deg + 1e-3), shape)
    again = _drawn("ZnO", inverse_size_per_nm=1 / 75.0, strains=np.full(2, 5e-5))
    assert near is not None
    np.testing.assert_allclose(near.column, again.column, atol=0.03 * again.column.max())
    assert here.nudged(replace(MOUNT, displacement_deg=0.5), shape) is None


@pytest.mark.parametrize("name", REFERENCES.names)
def test_shares_of_the_cell_are_complete(name):
    shares = strain_shares(REFERENCES[name])
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (
        shares.shape[1]
        == {"cubic": 1, "axial": 2, "orthorhombic": 3, "monoclinic": 4, "triclinic": 6}[
            REFERENCES[name].family
        ]
    )


def test_one_length_moves_the_lines_that_hold_it():
    zinc = REFERENCES["ZnO"]
    shares = dict(zip(zinc.hkl, strain_shares(zinc), strict=True))
    np.testing.assert_allclose(shares[0, 0, 2], [0.0, 1.0], atol=1e-12)
    np.testing.assert_allclose(shares[0, 1, 0], [1.0, 0.0], atol=1e-12)


def test_indices_and_cell_give_the_spacings():
    for reference in REFERENCES.references:
        assert reference.cell is not None
        lengths, angles = np.array(reference.cell[:3]), np.cos(np.radians(reference.cell[3:]))
        cosines = np.eye(3)
        for (i, j), cosine in zip(((1, 2), (0, 2), (0, 1)), angles, strict=True):
            cosines[i, j] = cosines[j, i] = cosine
        metric = np.linalg.inv(np.outer(lengths, lengths) * cosines)
        hkl = np.array(reference.hkl)
        spacing = np.einsum("ni,ij,nj->n", hkl, metric, hkl) ** -0.5
        np.testing.assert_allclose(spacing, reference.d_angstrom, rtol=1e-4)


def test_plates_that_lie_flat_show_their_face():
    vanadia = REFERENCES["V2O5"]
    cosine2 = axis_cosine2(vanadia)
    assert cosine2 is not None
    angle = dict(zip(vanadia.hkl, cosine2, strict=True))
    assert angle[0, 0, 1] == pytest.approx(1.0)
    assert angle[2, 0, 0] == pytest.approx(0.0)
    factor, _ = march_dollase(np.array([1.0, 0.0]), np.log(0.8))
    assert factor == pytest.approx([0.8**-3, 0.8**1.5])
    flat, _ = march_dollase(np.linspace(0, 1, 5), 0.0)
    np.testing.assert_allclose(flat, 1.0)
    # Averaged over all directions nothing is gained or lost.
    cosine = (np.arange(20000) + 0.5) / 20000
    assert march_dollase(cosine**2, np.log(0.7))[0].mean() == pytest.approx(1.0, abs=1e-4)


def test_heavy_grains_look_lighter():
    from sdl.analysis.absorption import contrast

    names = ["NiO", "Bi2O3"]
    references = tuple(REFERENCES[n] for n in names)
    dimmed = contrast(np.array([0.6, 0.4]), references, DEFAULT_INSTRUMENT)
    assert dimmed[0] > 0.0 > dimmed[1]
    fine = DEFAULT_INSTRUMENT.model_copy(update={"grain_um": 0.0})
    np.testing.assert_array_equal(contrast(np.array([0.6, 0.4]), references, fine), [0.0, 0.0])
