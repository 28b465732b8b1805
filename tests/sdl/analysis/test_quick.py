"""The quick scan: shapes, limits, the shipped model."""

import numpy as np
import pytest

from sdl.analysis.pattern import DEFAULT_INSTRUMENT
from sdl.analysis.quick import DETECTED, QuickScan, random_shares
from sdl.core.errors import ConfigError
from sdl.core.seeds import generator

SYSTEM = "ba-ti-c-o"


@pytest.fixture(scope="module")
def quick():
    return QuickScan.load(SYSTEM)


def test_estimates_are_shares_with_sigma(quick):
    n = len(quick.references.names)
    shares = random_shares(50, n, "test")
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    normals = generator("quick-test").standard_normal((50, 2 * n))
    for which in range(2):
        seen, sigma = quick.estimate(shares, which, normals)
        np.testing.assert_allclose(seen.sum(axis=1), 1.0)
        assert (seen >= 0).all()
        assert (sigma > 0).all()
        assert (sigma < 0.2).all()


def test_covariance_is_that_of_the_samples(quick):
    n = len(quick.references.names)
    # All phases are there in plenty, so the bound at 0 does not matter.
    share = np.full((1, n), 1.0 / n)
    normals = generator("quick-covariance").standard_normal((20000, 2 * n))
    seen, _ = quick.estimate(np.repeat(share, 20000, axis=0), 0, normals)
    said = quick.covariance(share, 0)[0]
    np.testing.assert_allclose(said.sum(axis=1), 0.0, atol=1e-12)
    scale = np.sqrt(np.outer(np.diag(said), np.diag(said)))
    assert np.abs((np.cov(seen.T) - said) / scale).max() < 0.15


def test_longer_scans_see_more(quick):
    rutile = quick.references.names.index("TiO2")
    barium_titanate = quick.references.names.index("BaTiO3")
    shares = np.zeros((3, len(quick.references.names)))
    shares[:, rutile] = [0.0, 0.01, 0.05]
    shares[:, barium_titanate] = 1.0 - shares[:, rutile]
    fast, slow = (quick.detection(shares, which, rutile, draws=500) for which in (0, 1))
    assert fast[0] < 0.05
    assert slow[0] < 0.05
    assert slow[1] > fast[1] + 0.2
    assert fast[2] > 0.95
    assert DETECTED == 3.0


def test_arrays_are_ready_for_compiled_code(quick):
    n, t = len(quick.references.names), len(quick.minutes)
    shapes = {name: getattr(quick.arrays, name).shape for name in quick.arrays._fields}
    assert shapes == {
        "floor": (t, n),
        "linear": (t, n, n),
        "square": (t, n),
        "factor": (t, n, n),
        "absorption": (n,),
        "volume": (n,),
        "errors": (2,),
    }
    for array in quick.arrays:
        assert array.dtype == np.float64
        assert array.flags.c_contiguous


def test_an_old_model_is_refused():
    other = DEFAULT_INSTRUMENT.model_copy(update={"line_sd": 0.01})
    with pytest.raises(ConfigError, match=r"python -m sdl\.analysis\.quick ba-ti-c-o"):
        QuickScan.load(SYSTEM, other)
    with pytest.raises(ConfigError, match=r"no quick model.*mixtures"):
        QuickScan.load("mixtures")


def test_a_fit_gives_what_is_written(quick):
    again = QuickScan.fit(quick.references, minutes=(2.0,), samples=12)
    share = np.full((1, len(quick.references.names)), 0.2)
    ratio = np.diag(again.covariance(share, 0)[0]) / np.diag(quick.covariance(share, 0)[0])
    assert (np.abs(ratio - 1.0) < 0.5).all()
