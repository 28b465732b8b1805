"""Faults that come in through files, names and policies: 22 to 26."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import socket
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sdl.bench.faults.scenario import expect, refusal, scenario
from sdl.bench.loopback import room
from sdl.campaign.config import CampaignConfig
from sdl.core.command import Command, Effect, Verb
from sdl.core.errors import ConfigError, DeviceError, ModelError
from sdl.core.lab import Endpoint, LabFile
from sdl.core.model import SAFE_ID, canonical_json
from sdl.core.recipe import Recipe
from sdl.core.yaml import load, parse
from sdl.safety import check_recipe
from sdl.tasks.task import load_task
from simulators.wire.registry import make_simulator

_SWARM = "b0: &b0 [x, x]\n" + "".join(
    f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, 10)
)
POISONS: dict[str, str] = {
    "a tag that calls a function": "name: !!python/object/apply:os.system ['touch WITNESS']\n",
    "an object tag": "name: !!python/object:os.PathLike {}\n",
    "a swarm of aliases": _SWARM,
    "an integer of 900,000 digits": f"name: x\nclock_scale: {'9' * 900_000}\n",
    "NaN where a number is wanted": "name: x\nclock_scale: .nan\nstations: []\n",
    "a key twice": "name: x\nname: y\n",
    "a file of two megabytes": "# " + "x" * 2_000_000,
    "lists three thousand deep": "name: " + "[" * 3000 + "]" * 3000,
}
"""Files that attack the reader, by what they try; ``WITNESS`` becomes a path."""
NAMES = ("../evil", "a/b", "S1@END", "S1\nOpen A", "S1\0", "x" * 300, "", ".hidden", "S 1", "S1;ls")
"""Identifiers that attack a path, a device message or a key."""


@scenario(22, "poisoned YAML or JSON")
def poisoned_files(folder: Path) -> str:
    """Every poison is refused by one message; nothing of it is carried out."""
    witness, file = folder / "witness", folder / "poison.yaml"
    for what, text in POISONS.items():
        file.write_text(text.replace("WITNESS", str(witness)), encoding="utf-8")
        refusal(lambda: load(file, LabFile, "the file"), ConfigError, of=what)
        refusal(lambda: load(file, CampaignConfig, "the file"), ConfigError, of=what)
    expect(not witness.exists(), "no tag was carried out")
    for value in (float("nan"), float("inf")):
        try:
            canonical_json({"x": value})
        except ValueError:
            continue
        expect(False, "NaN and infinity are never written", value)
    refusal(lambda: parse('{"name": NaN}', LabFile, "x.json"), ConfigError, of="NaN in JSON")
    return f"{len(POISONS)} poisons refused, none carried out"


@scenario(23, "path traversal or injection in names")
def injected_names(folder: Path) -> str:
    """Bad identifiers are refused at the models, at drivers and at folders; nothing is sent."""
    for name in NAMES:
        try:
            Command(
                id="c1", station="diffractometer", verb=Verb.SCAN, samples=(name,),
                effect=Effect.IDEMPOTENT, args={}, time_s=0.0,
            )  # fmt: skip
        except ValidationError:
            continue
        expect(False, f"a sample is never called {name!r}"[:80], SAFE_ID)
    with room(folder, proxied=("diffractometer", "transfer")) as here:
        for name in NAMES:
            refusal(
                lambda name=name: here.start("diffractometer", Verb.SCAN, name, scan_min=2.0),
                DeviceError, of=f"a scan of {name!r}"[:60],
            )  # fmt: skip
            refusal(
                lambda name=name: here.start(
                    "transfer", Verb.TRANSFER, name, sample=name, origin="rack", destination="mixer"
                ),
                DeviceError, of=f"a move of {name!r}"[:60],
            )  # fmt: skip
        sent = b"".join(b"".join(p.sent) for ps in here.proxies.values() for p in ps)
        expect(b"evil" not in sent and b"SAMPLE@ADD" not in sent, "no bad name was sent", sent[:80])
        strays = [*folder.parent.glob("evil*"), *folder.rglob("evil*")]
        expect(not strays, "no file was made", strays)
    return f"{len(NAMES)} names refused by models and drivers"


@scenario(24, "a network peer without rights")
def uninvited_peer(folder: Path) -> str:
    """The controller takes orders from nobody over the network; simulators from this machine.

    There is no order interface on a socket: what a campaign is told comes from files and the
    command line of its user. So there is nothing to log in to, and no token to steal or replay.
    """
    before = _listening()
    with room(folder) as here:
        opened = _listening() - before
        expect(opened, "the simulators listen")
        outside = [where for where in opened if not where.startswith("127.")]
        expect(not outside, "every server of ours listens on loopback", outside)
        _shout(Endpoint.of(here.laboratory.lab.station("furnace_1").settings["link"]))
        mode = here.drivers["furnace_1"].cores[0].read("mode")
        expect(mode.ok, "a simulator survives an oversize body", mode.reason)
        station = here.laboratory.lab.station("furnace_1")
        everywhere = {**station.settings, "link": "tcp://0.0.0.0:0"}
        simulator = make_simulator(
            here.laboratory.plant, station.model_copy(update={"settings": everywhere})
        )
        refusal(
            lambda: asyncio.run(simulator.start()), ConfigError, of="a simulator on all interfaces"
        )
    return f"{len(opened)} listening sockets, all on loopback; no order interface"


def _shout(device: Endpoint) -> None:
    """Sends two megabytes of no protocol; whoever hangs up does right."""
    with socket.create_connection((device.host, device.port), timeout=5.0) as peer:
        try:
            peer.sendall(b"\xff" * 2_000_000)
            peer.recv(64)
        except OSError:
            return


def _listening() -> set[str]:
    """Addresses with a port on which this process listens now; Linux tells them."""
    mine = set[str]()
    for number in os.listdir("/proc/self/fd"):
        try:
            mine.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue  # closed meanwhile
    found = set[str]()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]:
            columns = line.split()
            if columns[3] == "0A" and f"socket:[{columns[9]}]" in mine:
                host, port = columns[1].split(":")
                octets = [str(int(host[i : i + 2], 16)) for i in (6, 4, 2, 0)]
                shown = ".".join(octets) if table == "tcp" else f"[{host}]"
                found.add(f"{shown}:{int(port, 16)}")
    return found


class _Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._witness}",)


@scenario(25, "an untrusted policy, pickle or happi class")
def untrusted_code(folder: Path) -> str:
    """Pickles and foreign classes are refused before anything of them runs."""
    from agents.registry import make_policy
    from sdl.core.extras import require_extra

    task, witness = load_task("batio3-coarse"), folder / "witness"
    bomb = pickle.dumps(_Bomb(witness))
    for data in (bomb, b"PK\x03\x04" + bomb, b"", b"\0" * 9):
        refusal(
            lambda data=data: make_policy("rl", task=task, model=data),
            ModelError, of="a pickle as a policy",
        )  # fmt: skip
    require_extra("happi", "a happi database", "happi")
    from instruments.happi import from_happi

    for name in ("os.system", "subprocess.Popen", "instruments.evil.X"):
        base = folder / f"{name}.json"
        entry = {
            "_id": "furnace_1", "name": "furnace_1", "type": "OphydItem", "device_class": name,
            "args": [f"touch {witness}"], "kwargs": {}, "active": True, "prefix": "x",
        }  # fmt: skip
        base.write_text(json.dumps({"furnace_1": entry}), encoding="utf-8")
        told = refusal(lambda base=base: from_happi(base), ConfigError, of=f"the class {name}")
        expect("allow-list" in told, "a foreign class is refused for what it is", told)
    expect(not witness.exists(), "nothing was carried out")
    return "4 files that are no policy and 3 foreign classes refused, none carried out"


@scenario(26, "a policy proposes what must not be done")
def unsafe_proposals(folder: Path) -> str:
    """The shield refuses outside of the policy, and the driver once more; the veto is recorded."""
    task = load_task("batio3-coarse")
    dose = {"lot": "BaCO3-fine", "mass_mg": 900.0}
    recipes = [
        [_mix(dose), _anneal(1400.0), {"kind": "characterise"}],
        [_mix(dose), {**_anneal(800.0), "dwell_h": 400.0}, {"kind": "characterise"}],
        [_mix({"lot": "gold", "mass_mg": 900.0}), _anneal(800.0), {"kind": "characterise"}],
        [_mix({"lot": "BaCO3-fine", "mass_mg": 6000.0}), {"kind": "characterise"}],
        [_anneal(800.0), {"kind": "characterise"}],
    ]
    for steps in recipes:
        recipe = Recipe.model_validate({"steps": steps})
        expect(check_recipe(recipe, task.laboratory), "the recipe is vetoed", recipe.sentence())
    with room(folder) as here:
        here.move("S1", "furnace_1")
        program = {"dwell_h": 1.0, "ramp_c_per_min": 10.0, "gas": "air", "cooling": "furnace"}
        for hot in (1400.0, 900.5, float("nan"), -300.0):
            refusal(
                lambda hot=hot: here.start(
                    "furnace_1", Verb.ANNEAL, "S1", temperature_c=hot, **program
                ),
                DeviceError, of=f"a program to {hot} degC",
            )  # fmt: skip
        acts = here.ask(lambda world: [a for a in world.acts() if a.verb == Verb.ANNEAL])
        expect(not acts, "the furnace never started", acts)
    return f"{len(recipes)} recipes vetoed, 4 programs refused by the driver"


def _mix(dose: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "mix", "doses": [dose], "mill_min": 10.0}


def _anneal(temperature_c: float) -> dict[str, Any]:
    return {"kind": "anneal", "temperature_c": temperature_c, "dwell_h": 1.0}
