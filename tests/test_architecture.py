"""What holds for the project as a whole: imports, wheel, light start, names, declared needs."""

from __future__ import annotations

import ast
import email
import importlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from sdl._layout import PACKAGES

HEAVY = ("torch", "gpytorch", "botorch", "bluesky", "ophyd", "plotly", "numba", "pymatgen", "scipy")


def python(*arguments: str, root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def normal(requirement: str) -> str:
    """The name of a distribution as PEP 503 writes it, without extras and versions."""
    name = re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, object]:
    with (root / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


def test_imports_point_downward(root: Path) -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    done = python("-c", code, root=root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.split("/")[0] for name in names}
    infos = {top for top in tops if top.endswith(".dist-info")}
    assert len(infos) == 1
    assert tops - infos == set(PACKAGES)
    assert not [name for name in names if "test" in Path(name).parts[0]]


def test_the_wheel_holds_every_tracked_file_of_our_packages(root: Path, wheel: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    tracked = {name for name in listed.stdout.splitlines() if (root / name).is_file()}
    assert tracked <= packed
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        path = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(archive.read(path))
        points = archive.read(path.replace("METADATA", "entry_points.txt")).decode()
    assert metadata["Name"] == "solid-state-sdl"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Private :: Do Not Upload" in metadata.get_all("Classifier", [])
    assert "sdl = sdl.cli:main" in points


@pytest.mark.parametrize("code", ["import sdl", "import sdl; sdl.Recipe, sdl.Policy"])
def test_import_sdl_stays_light(root: Path, code: str) -> None:
    probe = f"{code}; import json, sys; print(json.dumps(list(sys.modules)))"
    done = python("-c", probe, root=root)
    assert done.returncode == 0, done.stderr
    assert not set(HEAVY) & set(json.loads(done.stdout))


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_the_command_line_starts_light(root: Path, argument: str) -> None:
    # -X importtime names each module that is imported, whatever ends the process.
    done = python("-X", "importtime", "-m", "sdl", argument, root=root)
    assert done.returncode == 0, done.stderr
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "sdl" in loaded
    assert not set(HEAVY) & loaded


def test_every_public_name_imports() -> None:
    sdl = importlib.import_module("sdl")
    for name in sdl.__all__:
        assert getattr(sdl, name) is not None
    assert set(sdl.__all__) <= set(dir(sdl))
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = sdl.Nothing


def test_every_all_names_what_is_there(root: Path) -> None:
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            targets = [
                target.id
                for node in tree.body
                if isinstance(node, ast.Assign)
                for target in node.targets
                if isinstance(target, ast.Name)
            ]
            if "__all__" not in targets:
                continue
            parts = path.relative_to(root).with_suffix("").parts
            module = importlib.import_module(".".join(p for p in parts if p != "__init__"))
            missing = [name for name in module.__all__ if not hasattr(module, name)]
            assert not missing, f"{module.__name__}: {missing}"


def test_every_import_is_a_declared_dependency(root: Path, project: dict[str, object]) -> None:
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    assert isinstance(project["dependencies"], list)
    extras = [r for name, group in optional.items() if name not in ("dev", "all") for r in group]
    declared = {normal(requirement) for requirement in [*project["dependencies"], *extras]}
    # What these bring is part of their public interface.
    declared |= {"pydantic-core", "linear-operator", "event-model", "click", "pymatgen-core"}
    owners = packages_distributions()
    undeclared: set[str] = set()
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names: list[str] = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                for top in {name.split(".")[0] for name in names}:
                    if top in sys.stdlib_module_names or top in PACKAGES:
                        continue
                    if not {normal(o) for o in owners.get(top, [top])} & declared:
                        undeclared.add(f"{path.relative_to(root)} imports {top}")
    assert not undeclared


def test_all_extra_names_every_extra_but_the_one_for_a_gpu(project: dict[str, object]) -> None:
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    inside = set(re.findall(r"[a-z-]+", optional["all"][0].partition("[")[2]))
    assert inside == set(optional) - {"all", "dev", "gpu"}


def test_constraints_pin_every_direct_dependency(root: Path, project: dict[str, object]) -> None:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin) for pin in pins)
    optional = project["optional-dependencies"]
    assert isinstance(optional, dict)
    assert isinstance(project["dependencies"], list)
    direct = [*project["dependencies"], *(r for n, g in optional.items() if n != "all" for r in g)]
    assert {normal(r) for r in direct} <= {normal(pin) for pin in pins}


def test_no_test_folder_is_a_package(root: Path) -> None:
    assert not list((root / "tests").rglob("__init__.py")), "tests/envs would stand for envs"


def test_nothing_of_ours_is_ignored_by_git(root: Path) -> None:
    paths = [f"{package}/{name}" for package in PACKAGES for name in ("", "data/x.json", "x.py")]
    paths += ["sdl/templates/demo.yaml", "sdl/report/page.html", "tests/envs/test_x.py"]
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", *paths],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.stdout == ""
