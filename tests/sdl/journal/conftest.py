"""One short campaign through the RunEngine, and one Tiled server, for the tests of the exports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

SERVER = """
import sys, warnings
warnings.simplefilter("ignore")
from tiled.server import SimpleTiledServer
server = SimpleTiledServer(directory=sys.argv[1], port=int(sys.argv[2]), api_key="s3cret0123456789")
print(server.uri, flush=True)
sys.stdin.read()
server.close()
"""


@dataclass
class TiledServer:
    """A Tiled server in a process of its own, which a test may kill and start again."""

    folder: Path
    uri: str = ""
    process: subprocess.Popen[str] | None = field(default=None)

    def start(self) -> None:
        """Starts it, on the port it had before; takes 6 to 30 s."""
        port = self.uri.partition("127.0.0.1:")[2].partition("/")[0] or "0"
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVER, str(self.folder), port],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        assert self.process.stdout is not None
        self.uri = self.process.stdout.readline().strip()
        assert self.uri, (self.folder / "log").read_text()[-2000:]

    def kill(self) -> None:
        """Ends it at once."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="session")
def tiled_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TiledServer]:
    server = TiledServer(tmp_path_factory.mktemp("tiled"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def campaign_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The journal of a finished campaign of one experiment in the virtual laboratory."""
    pytest.importorskip("bluesky")
    from sdl.campaign.config import BudgetConfig, CampaignConfig
    from sdl.campaign.opening import begin
    from sdl.tasks.task import load_task

    task = load_task("batio3-coarse")
    config = CampaignConfig(
        name="exported", task=task.name, lab="virtual", policy="random",
        budget=BudgetConfig(experiments=1),
    )  # fmt: skip
    url = f"sqlite:///{tmp_path_factory.mktemp('campaign')}/campaign.db"
    campaign = begin(config, task, url)
    campaign.run()
    campaign.close()
    return url
