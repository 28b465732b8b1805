"""Scans as files: what is read, and what is refused."""

import tarfile

import numpy as np
import pytest

from sdl.analysis.xrdml import MAX_BYTES, parse_xrdml, read_xrdml, weighed_in
from sdl.core.errors import ConfigError

SCAN = """<?xml version="1.0"?>
<xrdMeasurements xmlns="http://www.xrdml.com/XRDMeasurement/2.3">
 <xrdMeasurement>
  <usedWavelength intended="K-Alpha 1">
   <kAlpha1 unit="Angstrom">1.5405980</kAlpha1><kAlpha2 unit="Angstrom">1.5444260</kAlpha2>
   <ratioKAlpha2KAlpha1>0.5000</ratioKAlpha2KAlpha1>
  </usedWavelength>
  <scan>
   <dataPoints>
    <positions axis="Omega" unit="deg"><startPosition>5</startPosition>
     <endPosition>6</endPosition></positions>
    <positions axis="2Theta" unit="deg"><startPosition>10.0</startPosition>
     <endPosition>11.0</endPosition></positions>
    <commonCountingTime unit="seconds">10.965</commonCountingTime>
    <counts unit="counts">1 2 3 4 5 6 7 8 9 10 11</counts>
   </dataPoints>
  </scan>
 </xrdMeasurement>
</xrdMeasurements>
"""


def test_a_scan_is_read():
    scan = parse_xrdml(SCAN.encode(), "a.xrdml")
    assert scan.counts == tuple(range(1, 12))
    assert (scan.start_deg, scan.counting_s, scan.k_alpha_2_ratio) == (10.0, 10.965, 0.5)
    assert scan.step_deg == pytest.approx(0.1)
    assert scan.wavelength_angstrom == (1.540598, 1.544426)
    assert scan.seconds_per_deg == pytest.approx(109.65)


def test_a_byte_order_mark_and_no_namespace_are_fine():
    plain = SCAN.replace(' xmlns="http://www.xrdml.com/XRDMeasurement/2.3"', "")
    assert parse_xrdml(plain.encode("utf-8-sig"), "a.xrdml").step_deg == pytest.approx(0.1)


def test_binning_keeps_counts_and_angles():
    text = SCAN.replace("<endPosition>11.0", "<endPosition>19.1").replace(
        "1 2 3 4 5 6 7 8 9 10 11", " ".join(["5"] * 911)
    )
    grid, counts = parse_xrdml(text.encode(), "a.xrdml").binned(0.03)
    assert grid.count == len(counts) == 303
    np.testing.assert_allclose(counts, 15.0)
    np.testing.assert_allclose(grid.angles_deg[[0, -1]], [10.01, 19.07])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('<?xml version="1.0"?>', '<!DOCTYPE x [<!ENTITY a "b">]>', r"a\.xrdml:1: .*document type"),
        ("</scan>", "", r"a\.xrdml:\d+: .*not XML.*mismatched"),
        ("<counts unit", "<count unit", "not XML"),
        ("3 4 5", "3 x 5", "counts hold something else; got 'x'"),
        ("3 4 5", "3 nan 5", "finite numbers"),
        ("3 4 5", "3 -4 5", "counts >= 0"),
        ("2Theta", "Phi", "no 2theta axis"),
        (">11.0<", ">9.0<", "0 < start < end"),
        (">10.965<", ">0<", "> 0 s"),
        (">1.5405980<", "><", "no kAlpha1"),
        (">1.5405980<", ">1 2<", "not one number"),
    ],
)
def test_bad_scans_are_refused_with_what_is_wrong(old, new, message):
    assert old in SCAN
    with pytest.raises(ConfigError, match=message):
        parse_xrdml(SCAN.replace(old, new).encode(), "a.xrdml")


def test_entities_are_never_expanded():
    bomb = '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><l>&b;</l>'
    with pytest.raises(ConfigError, match="document type"):
        parse_xrdml(bomb.encode(), "bomb.xrdml")


def test_size_and_depth_are_limited(tmp_path):
    with pytest.raises(ConfigError, match="too long"):
        parse_xrdml(b" " * (MAX_BYTES + 1), "a.xrdml")
    with pytest.raises(ConfigError, match="too deeply"):
        parse_xrdml(b"<a>" * 100, "a.xrdml")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_xrdml(tmp_path / "absent.xrdml")


def test_a_name_says_the_weights():
    weights = weighed_in("V2O5_0p4013-In2O3_0p4021-La(OH)3_0p2014--8min.xrdml")
    assert list(weights) == ["V2O5", "In2O3", "La(OH)3"]
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["V2O5"] == pytest.approx(0.4013 / 1.0048)
    for name in ("sample.xrdml", "A_0p0000--2min.xrdml", "A_0p5000-B--2min.xrdml"):
        with pytest.raises(ConfigError, match="weights"):
            weighed_in(name)


def test_a_real_scan(data_dir):
    with tarfile.open(data_dir / "xrd_mixtures/dataset.tar.gz") as archive:
        member = archive.extractfile(
            "dataset/precursor_mixture/NiO_0p6007-Bi2O3_0p4008--8min.xrdml"
        )
        assert member is not None
        scan = parse_xrdml(member.read(), "NiO_0p6007-Bi2O3_0p4008--8min.xrdml")
    assert len(scan.counts) == 8282
    assert scan.grid.angles_deg[-1] == pytest.approx(99.994, abs=1e-3)
    assert scan.seconds_per_deg == pytest.approx(1150, rel=0.01)
