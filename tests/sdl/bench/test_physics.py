"""The physics bench tells what the gates find."""

from sdl.bench.physics import run


def test_every_gate_of_the_reactor_holds():
    report = run(quick=True)
    assert {g.id.split(".")[0] for g in report.gates} == {"V1", "V2", "V4"}
    assert [g.id for g in report.gates if not g.passed] == []
