"""The laboratory file."""

import pytest

from sdl.core.errors import ConfigError
from sdl.core.lab import Endpoint, LabFile
from sdl.core.yaml import parse

STATION = "{name: furnace_1, kind: furnace, driver: eurotherm}"


def read(text):
    return parse(text, LabFile, "lab.yaml")


def test_a_file_needs_a_name_and_a_station():
    lab = read(f"name: x\nstations: [{STATION}]\n")
    assert lab.station("furnace_1").driver == "eurotherm"
    assert lab.capabilities(()).stations[0].name == "furnace_1"
    assert not hasattr(lab.capabilities(()).stations[0], "driver")
    with pytest.raises(KeyError):
        lab.station("cellar")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"name: x\nstations: [{STATION}, {STATION}]\n", 1, "stands twice"),
        (f"name: x\nstations: [{STATION}]\nreal: true\nclock_scale: 60\n", 1, "real clock"),
        (
            f"name: x\nstations: [{STATION}]\nreal: true\nsimulated: {{task: t}}\n",
            1,
            "real or simulated",
        ),
        (
            f"name: x\nstations: [{STATION}]\n"
            "interlocks:\n  - {name: a, watch: cellar.t, above: 3}\n",
            1,
            "no station",
        ),
        (
            f"name: x\nstations: [{STATION}]\ninterlocks:\n  - {{name: a, watch: furnace_1.t}}\n",
            4,
            "needs a condition",
        ),
        (f"name: x\nstations: [{STATION}]\nclock_scale: .nan\n", 3, "finite"),
        (f"name: ../x\nstations: [{STATION}]\n", 1, "name"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, line, words):
    with pytest.raises(ConfigError, match=words) as told:
        read(text)
    assert told.value.where == f"lab.yaml:{line}"


@pytest.mark.parametrize(
    "text",
    ["http://x:1", "tcp://x", "tcp://x:99999", "tcp://a b:1", "tcp://x:1/y", "tcp://-x:1", "", "tcp://x:1\n"],
)  # fmt: skip
def test_no_endpoint(text):
    with pytest.raises(ValueError, match="tcp://host:port"):
        Endpoint.of(text)


def test_endpoints_are_written_as_they_are_read():
    end = Endpoint.of("tcp://127.0.0.1:502")
    assert (str(end), end.is_loopback) == ("tcp://127.0.0.1:502", True)
    assert not Endpoint.of("tcp://furnace.lab.example:502").is_loopback
