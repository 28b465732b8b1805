"""Tiny sizes of everything about adaptation."""

from __future__ import annotations

from agents.adapting.adaptive import AdaptiveSettings
from agents.adapting.belief import BeliefSettings
from agents.cross_entropy import Search
from agents.planners import FixedSettings
from sdl.bench.adapt import Sizes
from sdl.tasks.task import load_task

TASK = load_task("mgal2o4")
SEARCH = Search(population=8, generations=2, elite=4)
POLICY = AdaptiveSettings(
    belief=BeliefSettings(members=24), library=6, scouts=3, judges=4, steps=4, finalists=2
)
SIZES = Sizes(
    fixed=FixedSettings(SEARCH, laboratories=4, finalists=2, final=8, starts=1),
    library=(SEARCH, SEARCH),
    singles=6,
    candidates=48,
    oracle=SEARCH,
    policy=POLICY,
    twin_rows=128,
)
