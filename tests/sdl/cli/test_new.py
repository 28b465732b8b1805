"""``sdl new instrument``: what it writes is clean and keeps the contract; it overwrites nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from instruments.registry import ENTRY_POINTS
from sdl.cli.new import LONGEST_NAME, new_instrument
from sdl.cli.verbs import app
from sdl.core.errors import ConfigError
from simulators.wire.registry import ENTRY_POINTS as SIMULATORS


def run(root: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_package_keeps_the_contract(root: Path, tmp_path: Path) -> None:
    files = new_instrument("ball_mill", tmp_path / "plugins")
    folder = tmp_path / "plugins" / "ball_mill"
    assert sorted(p for p in folder.rglob("*") if p.is_file()) == sorted(files)
    done = run(root, folder, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert " passed" in done.stdout


@pytest.mark.parametrize("name", ["xy", "abcdefg_hijklmno"])
def test_the_package_is_clean(root: Path, tmp_path: Path, name: str) -> None:
    assert len(name) <= LONGEST_NAME
    new_instrument(name, tmp_path)
    for check in (["check", "--no-cache", "."], ["format", "--no-cache", "--check", "."]):
        done = run(root, tmp_path / name, "ruff", *check)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_entry_points_are_those_that_are_looked_for(tmp_path: Path) -> None:
    new_instrument("ball_mill", tmp_path)
    project = tomllib.loads((tmp_path / "ball_mill" / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]
    assert points[ENTRY_POINTS] == {"ball-mill": "ball_mill.driver:BallMillStation"}
    assert points[SIMULATORS] == {"ball-mill": "ball_mill.simulator:BallMillSimulator"}
    for group in points.values():
        module, _, name = group["ball-mill"].partition(":")
        path = tmp_path / "ball_mill" / (module.replace(".", "/") + ".py")
        assert f"class {name}(" in path.read_text()


@pytest.mark.parametrize(
    "name",
    [
        "", "x", "Mill", "ball-mill", "ball mill", "../mill", "mill_", "_mill", "2mill", "class",
        "match", "a" * 17, "eurotherm", "file_drop", "json", "numpy", "mühle", "mill\n",
    ],
)  # fmt: skip
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="name"):
        new_instrument(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "ball_mill"
    mine.mkdir()
    (mine / "core.py").write_text("mine")
    with pytest.raises(ConfigError, match="overwritten"):
        new_instrument("ball_mill", tmp_path)
    assert [p.name for p in mine.iterdir()] == ["core.py"]


def test_the_verb(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["new", "instrument", "ball_mill", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "pip install -e" in done.output.replace("\n", " ")
    assert (tmp_path / "ball_mill" / "pyproject.toml").is_file()
