"""Recipe files: amounts, lots, tasks, and each wrong value told with its line."""

import pytest

from sdl.core.errors import ConfigError
from sdl.core.recipe import Mix
from simulators.preparation import FURNACE, prepare

GOOD = """\
name: t
system: ba-ti-c-o
particle_um: 2 um
lots:
  - {name: carbonate, phase: BaCO3, assay: 0.5}
steps:
  - kind: mix
    doses:
      - {lot: carbonate, amount_mmol: 5}
      - {phase: TiO2, mass_mg: 0.4 g}
  - {kind: anneal, temperature_c: 850, dwell_h: 2}
  - {kind: quench, cooling: air}
"""
TASK = """\
name: t
task: batio3-coarse
steps:
  - kind: mix
    doses:
      - {lot: BaCO3-fine, amount_mmol: 5}
      - {lot: TiO2-rutile-fine, amount_mmol: 5}
  - {kind: anneal, temperature_c: 850, dwell_h: 2, gas: steam}
"""


def written(folder, text):
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_amounts_and_labels(tmp_path):
    prepared = prepare(written(tmp_path, GOOD))
    mix = prepared.recipe.steps[0]
    assert isinstance(mix, Mix)
    assert [d.lot for d in mix.doses] == ["carbonate", "TiO2"]
    # Half of the bottle is carbonate, so twice its moles are weighed in.
    assert mix.doses[0].mass_mg == pytest.approx(5 * 197.336 * 2)
    assert mix.doses[1].mass_mg == pytest.approx(400.0)
    assert {lot.name: (lot.particle_um, lot.assay) for lot in prepared.lots} == {
        "carbonate": (2.0, 0.5),
        "TiO2": (2.0, 1.0),
    }
    assert prepared.furnace == FURNACE


def test_a_task_brings_shelf_furnace_and_widths(tmp_path):
    prepared = prepare(written(tmp_path, TASK))
    assert prepared.furnace == "furnace_2"  # the one with steam
    assert prepared.hidden.particle_ln_sd == 0.3
    assert "BaCO3-coarse" in {lot.name for lot in prepared.lots}


def test_a_system_beside_the_recipe(tmp_path):
    from importlib import resources

    text = (resources.files("sdl.chemistry") / "data" / "ba-ti-c-o.yaml").read_text("utf-8")
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    prepared = prepare(written(tmp_path, GOOD.replace("system: ba-ti-c-o", "system: mine.yaml")))
    assert prepared.system.name == "ba-ti-c-o"
    assert prepared.beside.references() is None


@pytest.mark.parametrize(
    ("old", "new", "line", "parts"),
    [
        ("system: ba-ti-c-o", "system: ba-ti", 2, ["ba-ti-c-o"]),
        ("system: ba-ti-c-o\n", "", 1, ["neither", "--system"]),
        ("system: ba-ti-c-o", "task: batio3", 2, ["batio3-coarse"]),
        ("name: t", "name: t\ntask: batio3-coarse", 1, ["`system` or `task`"]),
        ("particle_um: 2 um", "particle_um: 2 kg", 3, ["micrometer"]),
        ("phase: BaCO3", "phase: BaCO4", 5, ["BaCO4", "BaTiO3"]),
        ("assay: 0.5", "assay: 1.5", 5, ["<= 1"]),
        ("lot: carbonate", "lot: carbonat", 9, ["carbonat", "carbonate"]),
        ("amount_mmol: 5", "amount_mmol: 5, mass_mg: 3", 9, ["one amount"]),
        ("lot: carbonate", "lot: carbonate, phase: BaCO3", 9, ["names its powder once"]),
        ("phase: TiO2", "phase: TiN", 10, ["TiN"]),
        ("mass_mg: 0.4 g", "mass_mg: 0.4 h", 10, ["mg"]),
        ("temperature_c: 850", "temperature_c: 1400", 11, ["1400 °C", "1326"]),
        ("temperature_c: 850", "temperature_c: -20", 11, ["-20 °C"]),
        ("kind: anneal", "kind: bake", 11, ["bake", "anneal"]),
        ("dwell_h: 2}\n", "dwell_h: 2}\n  - {kind: regrind}\n", 13, ["nothing hot"]),
        ("steps:\n", "steps:\n  - {kind: regrind}\n", 7, ["empty", "mix first"]),
        ("cooling: air}", "cooling: air}\n  - {kind: wash, solvent: ethanol}", 13, ["water"]),
        ("cooling: air}", "cooling: air}\n  - {kind: stop}", 13, ["stop"]),
    ],
)
def test_wrong_values_name_their_line(tmp_path, old, new, line, parts):
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        prepare(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: "), message
    for part in (*parts, "what to do"):
        assert part in message, message


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("temperature_c: 850", "temperature_c: 1000", ["furnace-temperature", "900"]),
        ("gas: steam", "gas: oxygen", ["furnace-gas"]),
        ("lot: BaCO3-fine", "phase: BaCO3", ["several lots", "BaCO3-coarse or BaCO3-fine"]),
    ],
)
def test_a_task_sets_limits(tmp_path, old, new, parts):
    path = written(tmp_path, TASK.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        prepare(path)
    for part in (f"{path}:", *parts):
        assert part in str(caught.value), str(caught.value)


def test_a_task_and_another_system_contradict(tmp_path):
    with pytest.raises(ConfigError, match="names a task"):
        prepare(written(tmp_path, TASK), "ba-ti-c-o")
