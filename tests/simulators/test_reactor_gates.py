import pytest

from simulators.gates import gate_v1, gate_v2, gate_v4


@pytest.mark.parametrize("figures", [gate_v2(), gate_v4()], ids=["V2", "V4"])
def test_thermochemistry_and_batio3_gates(figures):
    assert [f for f in figures if not f.ok] == []


def test_solver_gate_on_a_small_sample():
    assert [f for f in gate_v1(40, 4) if not f.ok] == []
