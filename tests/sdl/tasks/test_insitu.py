import csv
import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from sdl.core.errors import ConfigError
from sdl.tasks import insitu
from sdl.tasks.insitu import InsituScan, load_insitu

DATA = (
    Path(os.environ.get("SDL_DATA", "../shared/data"))
    / "insitu_y2mn2o7/SequentialRefinement_Figure1.csv"
)


def test_shape_and_split_of_the_run():
    run = load_insitu()
    assert len(run.scans) == 383
    assert [s.scan for s in run.scans] == list(range(1, 384))
    times = [s.time_min for s in run.scans]
    assert times == sorted(times)
    assert len(run.part(odd=True).scans) == 192
    assert {s.scan % 2 for s in run.part(odd=False).scans} == {0}
    assert load_insitu() is run


def test_order_of_the_phases_is_that_of_the_paper():
    run = load_insitu()
    first = {p: next(s for s in run.scans if s.weight_fraction.get(p, 0) > 0) for p in run.phases}
    assert first["NaCl"].temperature_c == pytest.approx(231, abs=8)
    order = ["YCl3", "NaCl", "YOCl", "Y3O4Cl", "Y2O3", "P3-NaMnO2", "Y2Mn2O7", "Na3MnO4"]
    times = [first[p].time_min for p in order]
    assert times == sorted(times)
    last = run.scans[-1].weight_fraction
    assert last["Y2Mn2O7"] == pytest.approx(0.40, abs=0.01)
    assert "YCl3" not in last


def test_phases_outside_the_model_are_nan_and_not_zero():
    run = load_insitu()
    fractions = run.fractions()
    assert fractions.shape == (383, 11)
    assert np.isnan(fractions[87, run.phases.index("Na2CO3")])
    assert np.nansum(fractions, axis=1) == pytest.approx(np.ones(383), abs=0.0055)


def test_fractions_must_add_up():
    with pytest.raises(ValidationError, match="add up"):
        InsituScan(scan=1, time_min=0, temperature_c=25, weight_fraction={"NaCl": 0.9})


def test_a_damaged_file_is_named(monkeypatch):
    monkeypatch.setattr(insitu, "FILE", "ybco_routes.csv")
    with pytest.raises(ConfigError, match="damaged"):
        load_insitu.__wrapped__()


@pytest.mark.skipif(not DATA.is_file(), reason="SDL_DATA holds no insitu_y2mn2o7")
def test_shipped_table_agrees_with_the_raw_one():
    with DATA.open(encoding="utf-8-sig") as file:
        _, *rows = csv.reader(file)
    raw = [[float(x or 0) for x in r[38:49]] for r in rows]
    raw = np.array([[a / sum(r) for a in r] for r in raw if sum(r) > 0])
    ours = np.nan_to_num(load_insitu().fractions())
    assert np.abs(ours - raw).max() <= 0.00051
