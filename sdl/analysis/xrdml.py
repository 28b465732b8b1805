"""Reader of ``.xrdml`` scans (Malvern Panalytical): counts, angles, counting time, wavelengths."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

import numpy as np

from sdl.analysis.profile import Array, Grid
from sdl.core.errors import ConfigError, excerpt
from sdl.core.model import Frozen

MAX_BYTES = 20_000_000
"""A scan of 100 000 points is below 1 MB."""
MAX_POINTS = 500_000
MAX_DEPTH = 40

_WEIGHED = re.compile(r"(?P<phase>[A-Za-z0-9()]+)_(?P<mass>\d+p\d+)")


class Scan(Frozen):
    """One scan of a powder."""

    name: str
    start_deg: float
    """First angle 2theta, degrees."""
    step_deg: float
    counts: tuple[float, ...]
    counting_s: float
    """Time that each point was counted for, seconds."""
    wavelength_angstrom: tuple[float, float]
    """K-alpha 1 and 2."""
    k_alpha_2_ratio: float
    sample_id: str = ""
    """What the instrument was told the sample is called."""
    status: str = ""
    """``Completed`` of a whole scan; empty where the file does not say."""

    @property
    def grid(self) -> Grid:
        """Angles of the points.

        Raises:
            ConfigError: They are outside what a fit can use.
        """
        return Grid(self.start_deg, self.step_deg, len(self.counts))

    @property
    def seconds_per_deg(self) -> float:
        """Counting time per degree: what noise depends on over equal angular windows."""
        return self.counting_s / self.step_deg

    def binned(self, step_deg: float) -> tuple[Grid, Array]:
        """Neighbouring points summed to about this step; sums of Poisson counts are Poisson.

        Args:
            step_deg: Wanted step, degrees; the nearest whole number of points is taken.
        """
        number = max(1, round(step_deg / self.step_deg))
        kept = len(self.counts) // number * number
        counts = np.array(self.counts[:kept]).reshape(-1, number).sum(axis=1)
        start = self.start_deg + 0.5 * (number - 1) * self.step_deg
        return Grid(start, number * self.step_deg, len(counts)), counts


def read_xrdml(path: Path) -> Scan:
    """Reads one scan.

    Document types and entities are refused, so nothing is expanded or fetched.

    Args:
        path: The file.

    Raises:
        ConfigError: The file cannot be read, is too large, is no XML, or is no scan; with file and
            line where they are known.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as err:
        raise _wrong(path.name, "the scan cannot be read", err.strerror, "a readable file") from err
    if size > MAX_BYTES:
        raise _wrong(path.name, "the scan is too long", f"{size} bytes", f"<= {MAX_BYTES} bytes")
    return parse_xrdml(data, path.name)


def parse_xrdml(data: bytes, name: str) -> Scan:
    """As ``read_xrdml``, from the bytes of a file."""
    if len(data) > MAX_BYTES:
        raise _wrong(name, "the scan is too long", f"{len(data)} bytes", f"<= {MAX_BYTES} bytes")
    root = _parsed(data, name)
    counts = _numbers(_one(root, ".//{*}dataPoints/{*}counts", name), "counts", name)
    if len(counts) < 2 or min(counts) < 0.0:
        got = f"{len(counts)} points, least {min(counts, default=math.nan)}"
        raise _wrong(name, "the scan holds no counts", got, "two or more counts >= 0")
    positions = root.find(".//{*}dataPoints/{*}positions[@axis='2Theta']")
    if positions is None:
        raise _wrong(name, "the scan has no 2theta axis", None, "positions with axis 2Theta")
    start = _number(positions, "{*}startPosition", name)
    end = _number(positions, "{*}endPosition", name)
    if not 0.0 < start < end < 180.0:
        raise _wrong(
            name, "the angles are not a scan", f"{start} to {end}", "0 < start < end < 180"
        )
    seconds = _number(root, ".//{*}dataPoints/{*}commonCountingTime", name)
    waves = [_number(root, f".//{{*}}usedWavelength/{{*}}kAlpha{k}", name) for k in (1, 2)]
    if not (seconds > 0.0 and 0.1 < waves[0] <= waves[1] < 5.0):
        got = f"{seconds} s, {waves[0]} and {waves[1]} angstrom"
        raise _wrong(name, "time or wavelength is not usable", got, "> 0 s, 0.1-5 angstrom")
    return Scan(
        name=name,
        start_deg=start,
        step_deg=(end - start) / (len(counts) - 1),
        counts=tuple(counts),
        counting_s=seconds,
        wavelength_angstrom=(waves[0], waves[1]),
        k_alpha_2_ratio=_number(root, ".//{*}usedWavelength/{*}ratioKAlpha2KAlpha1", name),
        sample_id=(root.findtext("{*}sample/{*}id") or "").strip(),
        status=_status(root),
    )


def _status(root: ElementTree.Element) -> str:
    """Of measurement and scan: the first that is not complete."""
    parts = (root.find("{*}xrdMeasurement"), root.find(".//{*}scan"))
    said = [part.get("status", "") for part in parts if part is not None]
    return next((status for status in said if status != "Completed"), "Completed" if said else "")


def weighed_in(name: str) -> dict[str, float]:
    """Weight fractions of a mixture from its file name, as ``NiO_0p6007-ZnO_0p4010--2min.xrdml``.

    Raises:
        ConfigError: The name does not say what was weighed in.
    """
    mixture = Path(name).name.split("--", maxsplit=1)[0]
    masses = {
        match["phase"]: float(match["mass"].replace("p", "."))
        for part in mixture.split("-")
        if (match := _WEIGHED.fullmatch(part))
    }
    total = sum(masses.values())
    if not total > 0.0 or len(masses) != len(mixture.split("-")):
        raise _wrong(
            excerpt(name), "the name of the scan does not say the weights", None, "PHASE_0p5000-..."
        )
    return {phase: mass / total for phase, mass in masses.items()}


def _parsed(data: bytes, name: str) -> ElementTree.Element:
    """The tree, by a parser that refuses document types: no entity can be declared without one."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")
    depth = 0

    def refuse(*_: object) -> None:
        place = f"{name}:{parser.CurrentLineNumber}"
        raise _wrong(place, "the scan declares a document type", "<!DOCTYPE", "plain XML")

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            place = f"{name}:{parser.CurrentLineNumber}"
            raise _wrong(place, "the scan nests too deeply", depth, f"<= {MAX_DEPTH} levels")
        builder.start(_named(tag), attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_named(tag))

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = builder.data
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
    except expat.ExpatError as err:
        place = f"{name}:{err.lineno}"
        raise _wrong(place, "the scan is not XML", expat.ErrorString(err.code), "XML") from err
    except (LookupError, ValueError) as err:
        # Of a declared encoding that Python does not have.
        raise _wrong(name, "the scan is not XML", str(err), "XML in UTF-8") from err
    return builder.close()


def _named(tag: str) -> str:
    return "{" + tag if "}" in tag else tag


def _one(root: ElementTree.Element, path: str, name: str) -> str:
    found = root.find(path)
    if found is None or not (found.text or "").strip():
        wanted = path.rpartition("}")[2]
        raise _wrong(name, f"the scan has no {wanted}", None, f"a filled element {wanted}")
    return found.text or ""


def _number(root: ElementTree.Element, path: str, name: str) -> float:
    numbers = _numbers(_one(root, path, name), path.rpartition("}")[2], name)
    if len(numbers) != 1:
        raise _wrong(name, f"{path.rpartition('}')[2]} is not one number", len(numbers), "1 number")
    return numbers[0]


def _numbers(text: str, what: str, name: str) -> list[float]:
    words = text.split()
    if len(words) > MAX_POINTS:
        raise _wrong(name, f"too many {what}", len(words), f"<= {MAX_POINTS}")
    numbers: list[float] = []
    for word in words:
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise _wrong(name, f"{what} hold something else", excerpt(word), "finite numbers")
        numbers.append(number)
    return numbers


def _wrong(where: str, what: str, got: object, allowed: str) -> ConfigError:
    return ConfigError(
        what, got=got, allowed=allowed, do="check the export of the diffractometer", where=where
    )
