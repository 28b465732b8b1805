"""What the indices of lines say: how they move with the cell, how they lie to the texture axis."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sdl.analysis.references import LatticeFamily, Reference

Array = npt.NDArray[np.float64]

_GROUPS: dict[LatticeFamily, Callable[[Array], list[Array]]] = {
    "cubic": lambda t: [t.sum(axis=(1, 2))],
    "axial": lambda t: [t[:, :2, :2].sum(axis=(1, 2)), t[:, 2, 2]],
    "orthorhombic": lambda t: [t[:, k, k] for k in range(3)],
    "monoclinic": lambda t: [t[:, 0, 0], t[:, 1, 1], t[:, 2, 2], 2.0 * t[:, 0, 2]],
    "triclinic": lambda t: [
        *(t[:, k, k] for k in range(3)),
        *(2.0 * t[:, i, j] for i, j in ((0, 1), (0, 2), (1, 2))),
    ],
}


def strain_shares(reference: Reference) -> Array:
    """How much each free length of the cell moves each line.

    1/d^2 is a sum of terms in the reciprocal metric; a relative strain e of the length behind a
    term changes ln d by its share of the sum times e. The last term of monoclinic cells stands for
    the angle, those of triclinic cells for three.

    Returns:
        Shape ``(lines, lengths)``, rows sum to 1; one isotropic column where there are no indices.
    """
    if not reference.hkl or reference.cell is None:
        return np.ones((len(reference.d_angstrom), 1))
    hkl = np.array(reference.hkl, dtype=np.float64)
    terms = hkl[:, :, None] * hkl[:, None, :] * _reciprocal_metric(reference.cell)[None]
    groups = np.array(_GROUPS[reference.family](terms)).T
    return groups / terms.sum(axis=(1, 2))[:, None]


def axis_cosine2(reference: Reference) -> Array | None:
    """Squared cosine of the angle of each line to the texture axis, shape ``(lines,)``."""
    if reference.texture_axis is None or not reference.hkl or reference.cell is None:
        return None
    metric = _reciprocal_metric(reference.cell)
    axis = np.array(reference.texture_axis, dtype=np.float64)
    hkl = np.array(reference.hkl, dtype=np.float64)
    along = hkl @ metric @ axis
    lengths = np.einsum("ni,ij,nj->n", hkl, metric, hkl) * (axis @ metric @ axis)
    return np.clip(along**2 / lengths, 0.0, 1.0)


def march_dollase(cosine2: Array, ln_r: float) -> tuple[Array, Array]:
    """Factor on intensities by preferred orientation (Dollase, 1986; recalled) and its slope.

    Args:
        cosine2: Of the angle to the axis, shape ``(n,)``.
        ln_r: ln of the March parameter; r below 1: plates lie flat.

    Returns:
        The factor and its derivative by ``ln_r``, both ``(n,)``.
    """
    r = np.exp(ln_r)
    inner = r * r * cosine2 + (1.0 - cosine2) / r
    slope = 2.0 * r * r * cosine2 - (1.0 - cosine2) / r
    return inner**-1.5, -1.5 * inner**-2.5 * slope


def _reciprocal_metric(cell: tuple[float, float, float, float, float, float]) -> Array:
    lengths = np.array(cell[:3])
    alpha, beta, gamma = np.cos(np.radians(cell[3:]))
    cosines = np.array([[1.0, gamma, beta], [gamma, 1.0, alpha], [beta, alpha, 1.0]])
    return np.linalg.inv(np.outer(lengths, lengths) * cosines)
