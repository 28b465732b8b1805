"""The start-up check, in processes of its own with foreign packages that really stand there."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

FOREIGN = "raise RuntimeError('the foreign package was imported')\n"


def run(
    *arguments: str, path: list[Path], cwd: Path, site: bool = True
) -> subprocess.CompletedProcess[str]:
    """Python with ``path`` first; ``site=False`` leaves out everything that is installed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, path))
    flags = [] if site else ["-S"]
    return subprocess.run(
        [sys.executable, *flags, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def install_foreign(site: Path, package: str, distribution: str, version: str) -> None:
    """Unpacks a wheel of another project into ``site``, as pip does."""
    info = f"{distribution.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{package}/__init__.py": FOREIGN,
        f"{package}/run.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    archive = site.parent / f"{distribution}.whl"
    with zipfile.ZipFile(archive, "w") as target:
        for name, text in files.items():
            target.writestr(name, text)
    with zipfile.ZipFile(archive) as source:
        source.extractall(site)


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """A site-packages folder with our wheel in it."""
    site = tmp_path / "site-packages"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return site


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, "one message"
    for word in (*words, "environment of its own"):
        assert word in lines[0]


@pytest.mark.parametrize(
    ("package", "distribution"), [("agents", "openai-agents"), ("instruments", "instrumentkit")]
)
def test_a_shadowing_distribution_is_refused_by_name(
    root: Path, tmp_path: Path, package: str, distribution: str
) -> None:
    site = tmp_path / "site-packages"
    install_foreign(site, package, distribution, "1.2")
    done = run("-m", "sdl", "--version", path=[site, root], cwd=tmp_path)
    assert_refused(
        done,
        f"import {package}",
        f"{site / package}, owned by {distribution} 1.2",
        str(root / package),
    )


def test_a_distribution_that_overwrote_ours_is_refused(installed: Path) -> None:
    install_foreign(installed, "agents", "openai-agents", "0.24.0")
    done = run("-m", "sdl", "--version", path=[installed], cwd=installed.parent)
    assert_refused(done, "'agents' is not ours alone", "openai-agents 0.24.0 has put files")


def test_a_distribution_that_shares_our_folder_is_refused_though_ours_was_installed_last(
    wheel: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site-packages"
    install_foreign(site, "envs", "envs", "1.4")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    done = run("-m", "sdl", "--version", path=[site], cwd=tmp_path)
    assert_refused(done, "'envs' is not ours alone", "envs 1.4 has put files")


def test_a_folder_or_module_that_no_distribution_owns_is_refused(
    root: Path, tmp_path: Path
) -> None:
    folder, module = tmp_path / "folder", tmp_path / "module"
    (folder / "simulators").mkdir(parents=True)
    (folder / "simulators" / "__init__.py").write_text(FOREIGN)
    module.mkdir()
    (module / "envs.py").write_text(FOREIGN)
    done = run("-m", "sdl", "--version", path=[folder, root], cwd=tmp_path)
    assert_refused(done, str(folder / "simulators"))
    done = run("-m", "sdl", "--version", path=[module, root], cwd=tmp_path)
    assert_refused(done, str(module / "envs.py"))


def test_a_missing_package_is_refused(installed: Path) -> None:
    for file in (installed / "surrogates").rglob("*"):
        if file.is_file():
            file.unlink()
    done = run("-m", "sdl", "--version", path=[installed], cwd=installed.parent, site=False)
    assert_refused(done, "import surrogates", "no such package")


def test_lazy_names_check_first(root: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install_foreign(site, "agents", "openai-agents", "0.24.0")
    code = "import sdl\ntry: sdl.Recipe\nexcept Exception as err: print(type(err).__name__)"
    done = run("-c", code, path=[site, root], cwd=tmp_path)
    assert done.stdout == "NameCollisionError\n"


CHECK = "from sdl._layout import check_layout; check_layout()"


def test_an_environment_of_its_own_passes_in_silence(installed: Path) -> None:
    install_foreign(installed, "unrelated", "unrelated", "1.0")
    done = run("-c", CHECK, path=[installed], cwd=installed.parent, site=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_checkout_that_comes_first_warns_of_what_it_hides(root: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install_foreign(site, "agents", "openai-agents", "0.24.0")
    done = run("-c", CHECK, path=[root, site], cwd=tmp_path, site=False)
    assert done.returncode == 0
    assert "agents (openai-agents 0.24.0)" in done.stderr


def test_the_console_script_refuses_too(root: Path, tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    install_foreign(site, "agents", "openai-agents", "0.24.0")
    script = "import sys; from sdl.cli import main; sys.exit(main())"
    done = run("-c", script, path=[site, root], cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "openai-agents 0.24.0" in done.stderr
