import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.properties.constants import drawn, nominal
from simulators.properties.curves import ferrites
from simulators.properties.ferrite import curie_point_k, magnetisation, moment_mu_b
from simulators.properties.specimen import Batch, Specimen

FERRITE = nominal("ferrite")
ZINC = np.linspace(0.0, 1.0, 21)


def _one(temperature_c: float = 27.0, **phases: float) -> float:
    batch = Batch.of([Specimen(phases=phases, temperature_c=temperature_c, grain_um=20.0)])
    return float(magnetisation(FERRITE, batch)[0])


@pytest.mark.parametrize(
    ("cation", "cold", "warm", "off"),
    # Smit and Wijn, recalled. Mean field is known to be off at 300 K, most for Mn and Co.
    [("Mn", 112.0, 80.0, 10.0), ("Co", 90.0, 80.0, 8.0), ("Ni", 56.0, 50.0, 3.0),
     ("Mg", 31.0, 27.0, 4.0)],
)  # fmt: skip
def test_end_members_at_0_and_300_k(cation: str, cold: float, warm: float, off: float) -> None:
    phases = {f"{cation}Fe2O4": 1.0}

    assert _one(-271.0, **phases) == pytest.approx(cold, rel=0.03)
    assert _one(27.0, **phases) == pytest.approx(warm, abs=off)


def test_zinc_ferrite_is_no_magnet_at_room_temperature() -> None:
    assert _one(ZnFe2O4=1.0) == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize("cation", ["Ni", "Mn", "Co", "Mg"])
def test_zinc_raises_the_magnetisation_to_a_maximum_near_half_when_cold(cation: str) -> None:
    cold = magnetisation(FERRITE, ferrites(cation, ZINC, temperature_c=-269.0, grain_um=20.0))
    warm = magnetisation(FERRITE, ferrites(cation, ZINC, temperature_c=27.0, grain_um=20.0))

    assert 0.4 <= ZINC[np.argmax(cold)] <= 0.6
    assert ZINC[np.argmax(warm)] < ZINC[np.argmax(cold)]
    assert np.all(np.diff(cold[: np.argmax(cold)]) > 0.0)
    assert np.all(np.diff(cold[np.argmax(cold) + 1 :]) < 0.0)


def test_height_of_the_maxima() -> None:
    # Recalled: (Ni,Zn) 5 to 6.2 and (Mn,Zn) 6 to 7 Bohr magnetons when cold; (Ni,Zn) about 75 A
    # m2/kg at room temperature near a third of zinc.
    nickel, manganese = (
        moment_mu_b(FERRITE, ferrites(cation, ZINC, temperature_c=-269.0)).max()
        for cation in ("Ni", "Mn")
    )
    warm = magnetisation(FERRITE, ferrites("Ni", ZINC, temperature_c=27.0, grain_um=20.0))

    assert 5.0 < nickel < 6.3
    assert 6.0 < manganese < 7.2
    assert warm.max() == pytest.approx(75.0, abs=6.0)
    assert 0.25 <= ZINC[np.argmax(warm)] <= 0.45


@pytest.mark.parametrize("cation", ["Ni", "Mn", "Co", "Mg"])
def test_curie_point_falls_with_zinc(cation: str) -> None:
    points = curie_point_k(FERRITE, ferrites(cation, ZINC))

    assert np.all(np.diff(points) < 0.0)
    assert points[-1] < 100.0


def test_magnetisation_falls_with_temperature_and_ends_at_the_curie_point() -> None:
    temperature_k = np.linspace(10.0, 900.0, 60)
    batch = ferrites("Ni", np.zeros(60), grain_um=20.0).at(temperature_k)

    path = magnetisation(FERRITE, batch)

    assert np.all(np.diff(path) < 1e-6)
    assert path[temperature_k > 860.0] == pytest.approx(0.0, abs=0.05)
    assert path[temperature_k < 850.0].min() > 1.0


def test_quenched_magnesium_ferrite_is_the_stronger_magnet() -> None:
    slow, quenched = (
        float(magnetisation(FERRITE, ferrites("Mg", np.zeros(1), cations_frozen_c=t))[0])
        for t in (500.0, 900.0)
    )

    assert quenched > 1.5 * slow


def test_small_grains_lose_a_shell() -> None:
    fine, coarse = (
        float(magnetisation(FERRITE, ferrites("Ni", np.zeros(1), grain_um=d))[0])
        for d in (0.02, 50.0)
    )

    assert fine / coarse == pytest.approx(0.9**3, rel=1e-3)


def test_mixture_is_weighted_by_mass_and_hematite_is_weak() -> None:
    pure = _one(NiFe2O4=1.0)

    assert _one(NiFe2O4=0.6, ZnO=0.4) == pytest.approx(0.6 * pure, rel=1e-9)
    assert _one(NiFe2O4=0.6, Fe2O3=0.4) == pytest.approx(0.6 * pure + 0.4 * 0.3, rel=1e-9)


def test_unmixed_grains_are_the_sum_of_their_end_members() -> None:
    apart = Specimen(phases={"NiFe2O4": 0.5, "ZnFe2O4": 0.5}, homogeneity=0.0, grain_um=20.0)
    half = apart.model_copy(update={"homogeneity": 0.5})
    mixed = apart.model_copy(update={"homogeneity": 1.0})

    values = magnetisation(FERRITE, Batch.of([apart, half, mixed]))

    assert values[0] == pytest.approx(0.5 * _one(25.0, NiFe2O4=1.0), rel=1e-3)
    assert values[1] == pytest.approx(0.5 * (values[0] + values[2]))


@settings(max_examples=25)
@given(
    parts=st.dictionaries(
        st.sampled_from(["MgFe2O4", "ZnFe2O4", "NiFe2O4", "MnFe2O4", "CoFe2O4", "ZnO"]),
        st.floats(0.01, 1.0),
        min_size=1,
    ),
    temperature_c=st.floats(-270.0, 700.0),
    seed=st.integers(0, 50),
)
def test_any_laboratory_gives_a_possible_value_whatever_the_order_of_the_phases(
    parts: dict[str, float], temperature_c: float, seed: int
) -> None:
    values = drawn("ferrite", seed)
    forth = Specimen(phases=parts, temperature_c=temperature_c)
    back = Specimen(
        phases={k: 3.0 * parts[k] for k in reversed(parts)}, temperature_c=temperature_c
    )

    first, second = (float(magnetisation(values, Batch.of([s]))[0]) for s in (forth, back))

    assert first == pytest.approx(second, rel=1e-9, abs=1e-9)
    assert 0.0 <= first < 260.0
    assert 0.0 <= float(curie_point_k(values, Batch.of([forth]))[0]) < 1000.0
