"""What the README shows is true: its code runs, its files validate, its targets exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import envs


@pytest.fixture(scope="module")
def blocks(root: Path) -> list[tuple[str, str]]:
    """Fenced blocks: language and text."""
    text = (root / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def test_python_blocks_run(blocks: list[tuple[str, str]], root: Path, tmp_path: Path) -> None:
    scripts = [text for language, text in blocks if language == "python"]
    assert scripts
    for script in scripts:
        done = subprocess.run(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{script}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def test_campaign_files_validate(blocks: list[tuple[str, str]]) -> None:
    from sdl.campaign.config import CampaignConfig
    from sdl.core.yaml import parse

    files = [text for language, text in blocks if language == "yaml"]
    assert files
    for text in files:
        assert parse(text, CampaignConfig, "README.md").name


def test_make_targets_exist(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"(?:^|`)make (\w+)", text, re.MULTILINE)
    rules = re.findall(r"^(\w+):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "test", "lint", "bench"} <= set(named)
    assert set(named) <= set(rules)


def test_paths_exist(root: Path) -> None:
    text = (root / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:sdl|agents|\.ci|benchmarks|docs)/[\w./-]+)`", text)
    paths = [path for path in named if path not in envs.IDS]
    assert paths
    assert not [path for path in paths if not (root / path).exists()]


def test_verbs_exist(root: Path) -> None:
    from sdl.cli.verbs import app

    text = (root / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:bin/|`)sdl ([a-z]+)", text))
    offered = {c.name or getattr(c.callback, "__name__", "") for c in app.registered_commands}
    offered |= {group.name for group in app.registered_groups}
    assert named
    assert named <= offered
