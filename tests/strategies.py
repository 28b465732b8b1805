"""Hypothesis strategies: one per core noun, named after it (``from strategies import recipes``)."""

from __future__ import annotations

from hypothesis import strategies as st

from sdl.core.capabilities import Capabilities, Station, StationKind
from sdl.core.command import Command, Effect, LabEvent, Verb
from sdl.core.event import (
    Accepted,
    Done,
    Event,
    Finished,
    Intended,
    Learned,
    Observed,
    Proposed,
    Stopped,
    Vetoed,
    Violation,
)
from sdl.core.material import Lot, Observation, PhaseAmount, SampleState, Target
from sdl.core.model import Frozen
from sdl.core.proposal import Budget, ModelVersion, Prediction, Proposal, Result
from sdl.core.recipe import (
    Anneal,
    Characterise,
    Continue,
    Cooling,
    Dose,
    Gas,
    Mix,
    Press,
    Quench,
    Recipe,
    Regrind,
    Split,
    Step,
    Stop,
    Wash,
)

PHASES = ("BaCO3", "BaO", "TiO2", "BaTiO3", "Ba2TiO4")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Finite floats between two bounds, both possible."""
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


safe_ids = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,15}", fullmatch=True)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
times_s = numbers(0, 1e8)
sentences = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=60)
phases = st.sampled_from(PHASES)
json_values: st.SearchStrategy[object] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | numbers(-1e9, 1e9) | sentences,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(sentences, inner, max_size=3),
    max_leaves=6,
)
payload_dicts = st.dictionaries(safe_ids, json_values, max_size=3)

targets = st.builds(Target, phase=phases, polymorph=st.none() | sentences)
lots = st.builds(
    Lot,
    name=safe_ids,
    phase=phases,
    molar_mass_g_per_mol=numbers(1, 1000),
    assay=numbers(0.01, 1),
    particle_um=numbers(0.01, 1000),
    price_eur_per_g=numbers(0, 1000),
    stock_mg=numbers(0, 1e6),
    hazards=st.lists(st.sampled_from(["H302", "H314", "H332"]), max_size=2).map(tuple),
    source=sentences,
)

doses = st.builds(Dose, lot=safe_ids, mass_mg=numbers(0.1, 5000))
mixes = st.builds(
    Mix, doses=st.lists(doses, min_size=1, max_size=4).map(tuple), mill_min=numbers(0, 120)
)
anneals = st.builds(
    Anneal,
    temperature_c=numbers(100, 1500),
    dwell_h=numbers(0.01, 72),
    ramp_c_per_min=numbers(0.1, 50),
    gas=st.sampled_from(Gas),
)
quenches = st.builds(Quench, cooling=st.sampled_from(Cooling))
regrinds = st.builds(Regrind, mill_min=numbers(0, 120))
acts: st.SearchStrategy[Step] = st.one_of(
    anneals,
    quenches,
    regrinds,
    st.builds(Press, pressure_mpa=numbers(1, 500)),
    st.builds(Wash, solvent=st.sampled_from(["water", "ethanol"]), duration_min=numbers(1, 600)),
    st.builds(Split, mass_mg=numbers(1, 500)),
    st.builds(Characterise, scan_min=numbers(0.5, 60)),
)
"""Steps that may stand anywhere."""
steps: st.SearchStrategy[Step] = st.one_of(mixes, acts, st.just(Stop()), st.just(Continue()))


@st.composite
def recipes(draw: st.DrawFn, most_steps: int = 6) -> Recipe:
    """Recipes as a policy writes them: mix first, then acts, closed or open at the end."""
    middle = draw(st.lists(acts, max_size=most_steps))
    ending = draw(st.sampled_from([(), (Stop(),), (Continue(),)]))
    return Recipe(steps=(draw(mixes), *middle, *ending))


phase_amounts = st.builds(PhaseAmount, weight_fraction=numbers(0, 1), sigma=numbers(0, 0.5))
predictions = st.builds(Prediction, mean=numbers(-0.5, 1.5), sigma=numbers(0, 1))
observations = st.builds(
    Observation,
    sample=safe_ids,
    name=safe_ids,
    time_s=times_s,
    phases=st.dictionaries(phases, phase_amounts, min_size=1),
    unexplained=numbers(0, 1),
    reduced_chi2=numbers(0, 100),
    quality=st.sampled_from(["good", "weak"]),
    pattern=st.none() | hashes,
)
proposals = st.builds(
    Proposal,
    id=safe_ids,
    target=targets,
    recipe=recipes(),
    prediction=st.none() | predictions,
    reason=sentences,
    policy=safe_ids,
    model=st.none() | hashes,
    details=payload_dicts,
)
results = st.builds(
    Result,
    sample=safe_ids,
    proposal=safe_ids,
    recipe=recipes(),
    observation=st.none() | observations,
    cost=numbers(0, 10),
)
budgets = st.builds(Budget, experiments=st.integers(0, 1000), furnace_hours=numbers(0, 1e4))
model_versions = st.builds(
    ModelVersion,
    id=safe_ids,
    kind=safe_ids,
    file=hashes,
    data=hashes,
    parent=st.none() | hashes,
    metrics=st.dictionaries(safe_ids, numbers(-1e6, 1e6), max_size=3),
    promoted=st.booleans(),
    reason=sentences,
)

stations = st.builds(
    Station,
    name=safe_ids,
    kind=st.sampled_from(StationKind),
    capacity=st.integers(1, 16),
    max_temperature_c=st.none() | numbers(100, 1800),
    gases=st.lists(st.sampled_from(Gas), unique=True).map(tuple),
    coolings=st.lists(st.sampled_from(Cooling), unique=True).map(tuple),
)
capabilities = st.builds(
    Capabilities,
    name=safe_ids,
    stations=st.lists(stations, min_size=1, max_size=4, unique_by=lambda s: s.name).map(tuple),
    shelf=st.lists(lots, max_size=4, unique_by=lambda lot: lot.name).map(tuple),
    vial_capacity_mg=numbers(1, 1e5),
)

commands = st.builds(
    Command,
    id=safe_ids,
    station=safe_ids,
    verb=st.sampled_from(Verb),
    samples=st.lists(safe_ids, min_size=1, max_size=4).map(tuple),
    effect=st.sampled_from(Effect),
    args=payload_dicts,
    time_s=times_s,
)
lab_events = st.builds(
    LabEvent,
    command=safe_ids,
    time_s=times_s,
    ok=st.booleans(),
    result=payload_dicts,
    error=st.none() | sentences,
)
violations = st.builds(Violation, rule=safe_ids, message=sentences)
payloads: st.SearchStrategy[Frozen] = st.one_of(
    st.builds(Proposed, proposal=proposals),
    st.builds(Accepted, proposal=safe_ids, sample=safe_ids),
    st.builds(
        Vetoed,
        proposal=safe_ids,
        violations=st.lists(violations, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(Intended, command=commands),
    st.builds(Done, command=safe_ids, result=payload_dicts),
    st.builds(Observed, observation=observations),
    st.builds(
        Finished,
        sample=safe_ids,
        proposal=safe_ids,
        state=st.sampled_from(SampleState),
        purity=st.none() | numbers(0, 1),
        sigma=st.none() | numbers(0, 1),
        cost=numbers(0, 10),
        furnace_hours=numbers(0, 1000),
    ),
    st.builds(Learned, model=model_versions),
    st.builds(Stopped, reason=sentences, success=st.booleans()),
)
"""What journal events carry, the larger ones first."""
events = st.builds(Event.of, times_s, payloads)
