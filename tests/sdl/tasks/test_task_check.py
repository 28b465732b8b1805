"""A task that its own laboratory cannot carry out is refused where the fault stands."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from sdl.core.errors import ConfigError
from sdl.tasks.task import Task, load_task, task_names

TEXT = (resources.files("sdl.tasks") / "batio3-coarse.yaml").read_text(encoding="utf-8")
LOTS = "[[BaCO3-coarse, BaCO3-fine], [TiO2-rutile-coarse, TiO2-rutile-fine]]"
FURNACE = "max_temperature_c: 900, max_ramp_c_per_min: 20, max_dwell_h: 72, gases: [air], "


def loaded(folder: Path, old: str, new: str) -> Task:
    assert old in TEXT
    path = folder / "mine.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return load_task("mine.yaml", folder)


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("low: 600", "low: -500", ["temperature_c.low", "-500"]),
        ("low: 600", "low: 20", ["20 °C", ">= 25 °C"]),
        ("low: 600", "low: .inf", ["temperature_c.low", "finite"]),
        ("low: 600", "low: 600 kg", ["600 kg", "degC"]),
        ("low: 600", "low: 950", ["range is empty", "950"]),
        ("regrinds: 1", "batch_mg: 1e6", ["space.batch_mg", "dose-range", "5 to 5000 mg"]),
        ("regrinds: 1", "batch_mg: 0.001", ["space.batch_mg"]),
        ("regrinds: 1", "batch_mg: 5000", ["space.batch_mg"]),
        ("vial_capacity_mg: 5000", "vial_capacity_mg: 100", ["vial-capacity", "100"]),
        ("stock_mg: 200000", "stock_mg: 100", ["lot-stock", "BaCO3-coarse"]),
        ("regrinds: 1", "scan_min: 0", ["scan_min", "> 0"]),
        ("regrinds: 1", "scan_min: 10000", ["scan_min", "<= 600"]),
        ("gases: [air, steam]\n  c", "gases: []\n  c", ["gases", "at least 1"]),
        ("gases: [air, steam]\n  c", "gases: [air, air]\n  c", ["twice", "air"]),
        ("coolings: [furnace, air]", "coolings: []", ["coolings", "at least 1"]),
        (LOTS, "[]", ["cation_lots", "at least 1"]),
        (LOTS, "[[], [TiO2-rutile-fine]]", ["cation_lots.0", "at least 1"]),
        (LOTS, "[[BaCO3-fine]]", ["cation_lots", "Ba, Ti"]),
        (LOTS, "[[BaCO3-fine], [BaCO3-coarse], [TiO2-rutile-fine]]", ["Ba, Ba, Ti"]),
        (LOTS, "[[BaCO3-fine, TiO2-rutile-fine], [TiO2-rutile-coarse]]", ["brings Ba"]),
        (LOTS, "[[BaCO3-fine, BaCO3-fine], [TiO2-rutile-coarse]]", ["twice"]),
        ("name: furnace_2", "name: furnace_1", ["stations.3.name", "furnace_1"]),
        ("name: BaCO3-fine", "name: BaCO3-coarse", ["shelf.1.name", "BaCO3-coarse"]),
        ("{phase: BaTiO3}", "{phase: BaTiO4}", ["target.phase", "BaTiO4", "Ba2TiO4"]),
        ("{phase: BaTiO3}", "{phase: CO2}", ["target.phase", "CO2"]),
        ("phase: BaCO3\n", "phase: BaCO4\n", ["shelf.0.phase", "BaCO4", "BaCO3"]),
        ("197.335", "180", ["molar_mass_g_per_mol", "180", "197.336", "1 %"]),
        ("system: ba-ti-c-o", "system: none", ["system", "none", "ba-ti-c-o"]),
        ("system: ba-ti-c-o", "system: ba-ti", ["system", "ba-ti-c-o"]),
        ("budget:", "prices: {kwh: -1}\nbudget:", ["prices.kwh", "-1", ">= 0"]),
        (FURNACE, FURNACE.removeprefix("max_temperature_c: 900, "), ["furnace_1 has no limit"]),
        (FURNACE, FURNACE.replace("900", "1400"), ["1400 °C", "1326.85"]),
        # Each limit is met by some furnace, all of them together by none.
        (
            "max_dwell_h: 72, gases: [air, steam]",
            "max_dwell_h: 2, gases: [steam]",
            ["no single furnace", "24 h in steam"],
        ),
    ],
)
def test_a_fault_is_told_in_one_line_with_its_place(
    tmp_path: Path, old: str, new: str, parts: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, old, new)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path}/mine.yaml:"), message
    assert "got " in message
    assert "allowed: " in message
    assert "what to do: " in message
    assert "\n" not in message
    for part in parts:
        assert part in message, message


@pytest.mark.parametrize(
    "kind", ["dispenser", "mixer", "furnace", "quench", "diffractometer", "transfer"]
)
def test_a_station_of_every_needed_kind_is_asked_for(tmp_path: Path, kind: str) -> None:
    lines = [line for line in TEXT.splitlines() if f"kind: {kind}" not in line]
    path = tmp_path / "mine.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"mine.yaml:\d+: .*there is no {kind}"):
        load_task(str(path))


def test_one_furnace_that_can_do_everything_is_enough(tmp_path: Path) -> None:
    assert loaded(tmp_path, FURNACE, FURNACE.replace("72", "2")).space is not None


def test_without_a_cooling_no_quench_station_is_needed(tmp_path: Path) -> None:
    lines = [line for line in TEXT.splitlines() if "kind: quench" not in line]
    text = "\n".join(lines).replace("coolings: [furnace, air]", "coolings: [furnace]")
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert load_task("mine.yaml", tmp_path).space is not None


def test_ranges_take_quantities(tmp_path: Path) -> None:
    task = loaded(tmp_path, "{low: 600, high: 900}", "{low: 873.15 K, high: 900 degC}")
    assert task.space is not None
    assert task.space.temperature_c.low == pytest.approx(600)
    task = loaded(tmp_path, "{low: 0.5, high: 24}", "{low: 30 min, high: 1 day}")
    assert task.space is not None
    assert (task.space.dwell_h.low, task.space.dwell_h.high) == (0.5, 24.0)
    task = loaded(tmp_path, "{low: 2, high: 20}", "{low: 120 K/hour, high: 20}")
    assert task.space is not None
    assert task.space.ramp_c_per_min.low == pytest.approx(2)
    task = loaded(tmp_path, "{low: 2, high: 60}", "{low: 120 s, high: 1 h}")
    assert task.space is not None
    assert (task.space.mill_min.low, task.space.mill_min.high) == pytest.approx((2, 60))


@pytest.mark.parametrize("name", task_names())
def test_the_shipped_tasks_pass(name: str) -> None:
    assert load_task(name).name == name


def test_a_path_that_cannot_be_a_file_is_refused() -> None:
    for name in ("x" * 300 + ".yaml", "a\0b.yaml", "a/" + "y" * 300 + "/t.yaml", "a\ud800.yaml"):
        with pytest.raises(ConfigError) as caught:
            load_task(name)
        assert str(caught.value).isprintable()
