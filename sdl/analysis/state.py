"""Where a fit stands, and its Gauss-Newton step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from sdl.analysis.columns import Drawn, Shape, draw_phase, shape_of
from sdl.analysis.profile import Array, Mount, typical_mount
from sdl.analysis.setting import Setting

_SEEN = 4.0
"""A phase gets a crystallite size of its own above this many standard deviations."""
_STRONG = 12.0
"""It gets cell lengths and texture of its own above this many."""
_KEPT = 0.5
"""Once given, freedom is kept down to this part of the threshold, so that nothing flickers."""

_COMMON_SIZE_SD = 1.0
_OWN_SIZE_SD = 0.5
"""Prior of the logarithm of the crystallite sizes: a common part and one of each phase, so that a
weak phase takes the width of the strong ones."""
_WIDER = 2.0
"""The priors of a fit are this much wider than the spread of the mounts."""

_STEP_DEG = 0.06
_STEP_SPREAD = 0.02
_STEP_LN_SIZE = 0.5
_STEP_STRAIN = 0.002
_STEP_TEXTURE = 0.3
_SPREAD_RANGE = (-0.005, 0.2)
_LN_SIZE_RANGE = (np.log(1 / 600.0), np.log(1 / 6.0))
_LARGEST_STRAIN = 0.012
_LARGEST_TEXTURE = 1.2
_DISPLACEMENT_SDS = 6.0


@dataclass(frozen=True)
class State:
    """Estimates of one round, with everything drawn once."""

    mount: Mount
    shapes: tuple[Shape, ...]
    freedom: tuple[int, ...]
    """By phase: 0 absent or weak, 1 with its own size, 2 with cell and texture too."""
    scales: Array
    """Phase scales >= 0, shape ``(n,)``."""
    columns: Array
    """Shape ``(n, count)``."""
    drawn: tuple[Drawn | None, ...]
    """Of phases with freedom."""
    background: Array
    """Counts, shape ``(count,)``."""
    variance: Array
    """Of a point: counting noise of the fit and the scatter of line intensities."""

    @property
    def contributions(self) -> Array:
        """Counts of each phase, shape ``(n, count)``."""
        return self.columns * self.scales[:, None]

    @property
    def fitted(self) -> Array:
        """Fitted counts."""
        return self.scales @ self.columns + self.background


@dataclass(frozen=True)
class LinearModel:
    """The unknowns of a fit about a state: scales, background, then ``owners`` in order."""

    design: Array
    """What one unit of each does to the counts, shape ``(k, count)``."""
    precision: Array
    """Of their prior, shape ``(k, k)``; zero for scales and background."""
    deviation: Array
    """Of the state from the prior's mean, shape ``(k,)``."""
    owners: tuple[tuple[str, int, int], ...]
    """What each further unknown is: kind, phase, number of the cell length."""


@dataclass(frozen=True)
class Solution:
    """One linear step: scales, background, then ``owners`` in order."""

    scales: Array
    significance: Array
    """Scales over their standard deviation by noise, shape ``(n,)``."""
    nuisance: Array
    design: Array
    weights: Array
    precision: Array
    """Prior precision of the unknowns, a matrix; zero for scales and background."""
    owners: tuple[tuple[str, int, int], ...]
    """What each further unknown is: kind, phase, number of the cell length."""


def first_state(observed: Array, setting: Setting) -> State:
    """The best of several displacements with phases of typical look."""
    instrument = setting.instrument
    variance = np.convolve(np.pad(observed, 2, mode="edge"), np.full(5, 0.2), mode="valid") + 1.0
    shapes = tuple(shape_of(instrument, lines) for lines in setting.lines)
    start = State(
        mount=typical_mount(instrument),
        shapes=shapes,
        freedom=(0,) * setting.phase_count,
        scales=np.zeros(setting.phase_count),
        columns=np.zeros((setting.phase_count, setting.grid.count)),
        drawn=(None,) * setting.phase_count,
        background=np.zeros(setting.grid.count),
        variance=variance,
    )
    sd = instrument.displacement_sd_deg
    best: tuple[float, State] | None = None
    for sds in (-2.5, -1.75, -1.0, -0.5, 0.0, 0.5, 1.0, 1.75, 2.5):
        here = instrument.displacement_deg + sds * sd
        state = _redrawn(setting, replace(start, mount=replace(start.mount, displacement_deg=here)))
        solution = solve(observed, np.ones(len(observed)), setting, state, step=False)
        background = solution.nuisance @ setting.background
        rest = observed - solution.scales @ state.columns - background
        misfit = float((rest**2 / variance).sum()) + sds**2
        if best is None or misfit < best[0]:
            best = misfit, state
    if best is None:
        return _redrawn(setting, start)
    return best[1]


def solve(
    observed: Array, use: Array, setting: Setting, state: State, *, step: bool = True
) -> Solution:
    """Weighted least squares of scales, background and, if ``step``, of the slopes."""
    model = linear_model(setting, state, step=step)
    weights = use / state.variance
    weighted = model.design * weights
    normal = weighted @ model.design.T + model.precision
    right = weighted @ observed - model.precision @ model.deviation
    scales, significance, nuisance = _bounded(normal, right, setting.phase_count)
    return Solution(
        scales, significance, nuisance, model.design, weights, model.precision, model.owners
    )


def linear_model(setting: Setting, state: State, *, step: bool = True) -> LinearModel:
    """What the counts of a state depend on, with slopes unless ``step`` is false."""
    slopes, owners = _slopes(state) if step else ([], ())
    design = np.vstack([state.columns, setting.background, *slopes])
    return LinearModel(design, *_prior(setting, state, owners), owners)


def stepped(setting: Setting, state: State, solution: Solution) -> State:
    """The state after a step; steps are cut so that the linearisation holds."""
    m = len(setting.background)
    background = solution.nuisance[:m] @ setting.background
    mount, shapes = _moved(setting, state, solution)
    freedom = tuple(
        _freedom(before, float(s))
        for before, s in zip(state.freedom, solution.significance, strict=True)
    )
    shapes = tuple(
        shape if free else shape_of(setting.instrument, lines)
        for shape, free, lines in zip(shapes, freedom, setting.lines, strict=True)
    )
    new = replace(state, mount=mount, shapes=shapes, freedom=freedom, scales=solution.scales)
    new = _redrawn(setting, new)
    lines = setting.instrument.line_sd**2 * (new.contributions**2).sum(axis=0)
    noise = np.maximum(new.scales @ new.columns + background, 1.0)
    return replace(new, background=background, variance=noise + lines)


def moved_by(before: State, after: State) -> tuple[float, float]:
    """How far lines went, degrees, and how much widths changed, relative, by weight of scales."""
    share = after.scales / max(float(after.scales.sum()), 1e-300)
    shift, growth = abs(after.mount.displacement_deg - before.mount.displacement_deg), 0.0
    for part, old, new in zip(share, before.shapes, after.shapes, strict=True):
        growth += part * abs(np.log(new.inverse_size_per_nm / old.inverse_size_per_nm))
        shift += part * 60.0 * float(np.abs(new.strains - old.strains).max())
    return shift, growth


def _freedom(before: int, significance: float) -> int:
    for level, least in ((2, _STRONG), (1, _SEEN)):
        if significance > least * (_KEPT if before >= level else 1.0):
            return level
    return 0


def _redrawn(setting: Setting, state: State) -> State:
    columns = setting.typical(state.mount.displacement_deg).copy()
    drawn: list[Drawn | None] = []
    for k, lines in enumerate(setting.lines):
        if state.freedom[k]:
            before, shape = state.drawn[k], state.shapes[k]
            new = before.nudged(state.mount, shape) if before else None
            if new is None:
                new = draw_phase(lines, setting.grid, setting.instrument, state.mount, shape)
            columns[k] = new.column
            drawn.append(new)
        else:
            drawn.append(None)
    return replace(state, columns=columns, drawn=tuple(drawn))


def _slopes(state: State) -> tuple[list[Array], tuple[tuple[str, int, int], ...]]:
    rows: list[Array] = []
    owners: list[tuple[str, int, int]] = []
    moved, spread = np.zeros((2, state.columns.shape[1]))
    for k, drawn in enumerate(state.drawn):
        if drawn is None:
            continue
        scale = state.scales[k]
        moved += scale * drawn.by_displacement
        spread += scale * drawn.by_spread
        rows.append(scale * drawn.by_ln_size)
        owners.append(("size", k, 0))
        if state.freedom[k] > 1:
            rows.extend(scale * drawn.by_strain)
            owners.extend(("strain", k, j) for j in range(len(drawn.by_strain)))
            if drawn.by_texture is not None:
                rows.append(scale * drawn.by_texture)
                owners.append(("texture", k, 0))
    return [moved, spread, *rows], (("displacement", 0, 0), ("spread", 0, 0), *owners)


def _prior(
    setting: Setting, state: State, owners: tuple[tuple[str, int, int], ...]
) -> tuple[Array, Array]:
    """Prior precision of the unknowns and how far the state is from the prior's mean."""
    fixed = setting.phase_count + len(setting.background)
    instrument = setting.instrument
    size = fixed + len(owners)
    precision, deviation = np.zeros((size, size)), np.zeros(size)
    sizes = [fixed + j for j, owner in enumerate(owners) if owner[0] == "size"]
    for j, (kind, k, number) in enumerate(owners, start=fixed):
        shape = state.shapes[k]
        match kind:
            case "displacement":
                sd = instrument.displacement_sd_deg
                deviation[j] = state.mount.displacement_deg - instrument.displacement_deg
            case "spread":
                sd = instrument.spread_deg2
                deviation[j] = state.mount.spread_deg2 - instrument.spread_deg2
            case "strain":
                sd = instrument.cell_sd
                deviation[j] = shape.strains[number]
            case "texture":
                sd = instrument.texture_ln_sd
                deviation[j] = shape.ln_texture
            case _:
                deviation[j] = np.log(shape.inverse_size_per_nm * instrument.crystallite_nm)
                continue
        precision[j, j] = 1.0 / (_WIDER * sd + 1e-6) ** 2
    if sizes:
        n = len(sizes)
        spread = np.full((n, n), _COMMON_SIZE_SD**2) + _OWN_SIZE_SD**2 * np.eye(n)
        precision[np.ix_(sizes, sizes)] = np.linalg.inv(spread)
    return precision, deviation


def _bounded(normal: Array, right: Array, n: int) -> tuple[Array, Array, Array]:
    """Least squares with the first ``n`` unknowns not negative, the others free."""
    a, b, c = normal[:n, :n], normal[:n, n:], normal[n:, n:]
    solved = np.linalg.solve(c, np.column_stack([b.T, right[n:]]))
    schur = a - b @ solved[:, :-1]
    target = right[:n] - b @ solved[:, -1]
    scale = 1.0 / np.sqrt(np.maximum(np.diag(schur), 1e-300))
    lower = np.linalg.cholesky(schur * np.outer(scale, scale) + 1e-10 * np.eye(n))
    scales = nnls(lower.T, np.linalg.solve(lower, target * scale))[0] * scale
    return scales, scales / scale, solved[:, -1] - solved[:, :-1] @ scales


def _moved(setting: Setting, state: State, solution: Solution) -> tuple[Mount, tuple[Shape, ...]]:
    steps = solution.nuisance[len(setting.background) :]
    instrument, mount, shapes = setting.instrument, state.mount, list(state.shapes)
    for (kind, k, number), value in zip(solution.owners, steps, strict=True):
        shape = shapes[k]
        match kind:
            case "displacement":
                far = _DISPLACEMENT_SDS * instrument.displacement_sd_deg + 1e-3
                centre = instrument.displacement_deg
                new = mount.displacement_deg + float(np.clip(value, -_STEP_DEG, _STEP_DEG))
                new = float(np.clip(new, centre - far, centre + far))
                mount = replace(mount, displacement_deg=new)
            case "spread":
                new = mount.spread_deg2 + float(np.clip(value, -_STEP_SPREAD, _STEP_SPREAD))
                mount = replace(mount, spread_deg2=float(np.clip(new, *_SPREAD_RANGE)))
            case "size":
                grown = np.log(shape.inverse_size_per_nm) + np.clip(
                    value, -_STEP_LN_SIZE, _STEP_LN_SIZE
                )
                size = float(np.exp(np.clip(grown, *_LN_SIZE_RANGE)))
                shapes[k] = replace(shape, inverse_size_per_nm=size)
            case "strain":
                strains = shape.strains.copy()
                strains[number] += np.clip(value, -_STEP_STRAIN, _STEP_STRAIN)
                strains[number] = np.clip(strains[number], -_LARGEST_STRAIN, _LARGEST_STRAIN)
                shapes[k] = replace(shape, strains=strains)
            case _:
                new = shape.ln_texture + float(np.clip(value, -_STEP_TEXTURE, _STEP_TEXTURE))
                new = float(np.clip(new, -_LARGEST_TEXTURE, _LARGEST_TEXTURE))
                shapes[k] = replace(shape, ln_texture=new)
    return mount, tuple(shapes)
