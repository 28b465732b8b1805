import numpy as np
import pytest

from sdl.analysis.impedance import CIRCUIT, ArcFit, Spectrum, arcs_ohm, fit_arcs
from sdl.core.errors import ConfigError, MissingExtraError

FREQUENCY = np.geomspace(3e6, 0.1, 46)
# Grain 10 kohm at 0.1 us, boundary 20 kohm at 80 us, a blocking electrode.
TRUTH = np.array([np.log(1e4), np.log(1e-7), 0.95, np.log(2e4), np.log(8e-5), 0.9, 14.0, 0.8])
NOISE = 0.005


def _spectrum(seed: int, parameters: np.ndarray = TRUTH, noise: float = NOISE) -> Spectrum:
    rng = np.random.default_rng(seed)
    exact = arcs_ohm(FREQUENCY, parameters)
    errors = rng.standard_normal((2, len(FREQUENCY)))
    measured = exact + noise * np.abs(exact) * (errors[0] + 1j * errors[1])
    return Spectrum(FREQUENCY, measured, noise * np.abs(measured))


@pytest.fixture(scope="module")
def fits() -> list[ArcFit]:
    return [fit_arcs(_spectrum(seed)) for seed in range(24)]


def test_parameters_come_back_within_three_sigma_in_95_percent(fits: list[ArcFit]) -> None:
    pulls = np.array([(f.parameters - TRUTH) / np.sqrt(np.diag(f.covariance)) for f in fits])

    assert (np.abs(pulls) < 3.0).mean() >= 0.95
    assert 0.8 < pulls.std() < 1.2


def test_total_has_an_honest_sigma_smaller_than_its_parts(fits: list[ArcFit]) -> None:
    pulls = np.array([(f.total_ohm[0] - 3e4) / f.total_ohm[1] for f in fits])

    assert (np.abs(pulls) < 3.0).mean() >= 0.95
    for fit in fits:
        parts = np.hypot(fit.resistance_ohm(1)[1], fit.resistance_ohm(2)[1])
        assert fit.total_ohm[1] < parts
        assert fit.resolved
        assert fit.reduced_chi2 == pytest.approx(1.0, abs=0.5)


def test_sigmas_agree_with_those_of_the_library() -> None:
    from impedance.models.circuits.fitting import circuit_fit

    spectrum = _spectrum(3)
    fit = fit_arcs(spectrum)

    sigma = np.tile(spectrum.sigma_ohm, 2)
    found, errors = circuit_fit(
        FREQUENCY,
        spectrum.impedance_ohm,
        CIRCUIT,
        fit.parameters,
        bounds=(np.full(8, -99.0), np.full(8, 99.0)),
        sigma=sigma,
        absolute_sigma=True,
    )

    assert fit.parameters == pytest.approx(found, abs=2e-4)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(errors, rel=0.02)


def test_circuit_is_that_of_resistors_beside_constant_phase_elements() -> None:
    from impedance.models.circuits.fitting import wrapCircuit

    p = TRUTH
    charges = [np.exp(p[i + 1] * p[i + 2] - p[i]) for i in (0, 3)]
    shipped = wrapCircuit("p(R1,CPE1)-p(R2,CPE2)-CPE3", {})(
        FREQUENCY, np.exp(p[0]), charges[0], p[2], np.exp(p[3]), charges[1], p[5],
        np.exp(-p[6]), p[7],
    )  # fmt: skip
    ours = arcs_ohm(FREQUENCY, p)

    assert np.hstack([ours.real, ours.imag]) == pytest.approx(shipped, rel=1e-9)


def test_arc_beyond_the_highest_frequency_is_told_wide_and_the_total_stays_right() -> None:
    fast = TRUTH.copy()
    fast[[1, 4]] = np.log(1e-11), np.log(1e-10)

    fit = fit_arcs(_spectrum(1, fast))

    assert not fit.resolved
    value, sigma = fit.total_ohm
    assert abs(value - 3e4) < 4.0 * sigma
    assert sigma < 0.02 * value


def test_faster_arc_comes_first_whatever_the_order_of_frequencies() -> None:
    spectrum = _spectrum(5)
    turned = Spectrum(
        spectrum.frequency_hz[::-1], spectrum.impedance_ohm[::-1], spectrum.sigma_ohm[::-1]
    )

    forth, back = fit_arcs(spectrum), fit_arcs(turned)

    assert forth.parameters[1] < forth.parameters[4]
    assert forth.parameters == pytest.approx(back.parameters, abs=1e-3)


@pytest.mark.parametrize("spoilt", ["short", "zero", "nan"])
def test_what_is_no_spectrum_is_refused(spoilt: str) -> None:
    f, z = FREQUENCY.copy(), arcs_ohm(FREQUENCY, TRUTH)
    if spoilt == "short":
        f, z = f[:5], z[:5]
    elif spoilt == "zero":
        f[3] = 0.0
    else:
        z[3] = np.nan

    with pytest.raises(ConfigError, match="no impedance spectrum"):
        Spectrum(f, z, np.full(len(f), 1.0))


def test_missing_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from sdl.analysis import impedance

    impedance._library.cache_clear()
    monkeypatch.setattr("sdl.core.extras.find_spec", lambda name: None)

    with pytest.raises(MissingExtraError, match=r"solid-state-sdl\[properties\]"):
        fit_arcs(_spectrum(0))
