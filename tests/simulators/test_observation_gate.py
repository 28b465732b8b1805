"""Gate V9 on what it needs: real scans where they are, few simulated ones otherwise."""

import pytest

from sdl.analysis.mixtures import read_mixtures
from sdl.analysis.quick import QuickScan
from sdl.core.errors import ConfigError
from simulators.observation_gate import (
    gate_v9_left_out,
    gate_v9_noise,
    gate_v9_planted,
    gate_v9_quick,
    gate_v9_sigma,
)


@pytest.fixture(scope="module")
def mixtures(data_dir):
    return read_mixtures(data_dir / "xrd_mixtures/dataset.tar.gz")


def _all_ok(figures):
    bad = [f for f in figures if not f.ok]
    assert not bad


def test_twenty_mixtures_in_two_scans(mixtures):
    assert len(mixtures) == 20
    for mixture in mixtures:
        assert sum(mixture.weights.values()) == pytest.approx(1.0)
        assert [len(scan.counts) for scan in mixture.scans] == [2071, 8282]


@pytest.mark.slow
def test_sigma_is_honest_for_mixtures_left_out(mixtures):
    figures = {f.name: f for f in gate_v9_sigma(mixtures)}
    _all_ok(figures.values())
    assert figures["rms error, wt%"].value < 4.0


def test_fast_scans_are_twice_as_noisy(mixtures):
    _all_ok(gate_v9_noise(mixtures))


def test_a_phase_that_is_left_out_is_flagged(mixtures):
    figures = gate_v9_left_out(mixtures[::4])
    # Four mixtures are too few to set limits for a fifth.
    _all_ok(f for f in figures if not f.name.startswith("held-out limits: complete"))


def test_planted_weak_scatterers_are_flagged_by_their_structure():
    figures = {f.name: f for f in gate_v9_planted(4, [(0.05, 0.05)], [("ba-ti-c-o", "Al2O3")])}
    _all_ok(figures.values())
    # Both readings stand side by side: no single line of so little corundum stands out.
    alone = figures["5 wt% Al2O3 in ba-ti-c-o flagged, in no library"]
    assert alone.target == "reported"
    assert alone.value < figures["5 wt% Al2O3 in ba-ti-c-o flagged"].value


def test_quick_scan_agrees_with_the_full_one():
    figures = {
        f.name.split(": ")[1]: f
        for f in gate_v9_quick(samples=60, quick=QuickScan.load("ba-ti-c-o"))
    }
    # Sixty patterns know a standard deviation to one part in eight: the wide limits of a test.
    assert figures["bias apart, sd"].value < 0.4
    assert figures["sd apart, relative"].value < 0.5
    assert 0.7 < figures["full errors, whitened"].value < 1.4
    assert figures["detection apart"].value < 0.2


def test_an_archive_that_is_none_is_refused(tmp_path):
    path = tmp_path / "dataset.tar.gz"
    path.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_mixtures(path)
