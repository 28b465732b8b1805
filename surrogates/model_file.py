"""A model as one safetensors file: arrays and a JSON card, the same bytes every time."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sdl.core.errors import ModelError
from sdl.core.model import canonical_json
from surrogates.gaussian_process import GaussianProcess, Hyperparameters
from surrogates.kernel import Layout, Priors

FORMAT = "solid-state-sdl/gaussian-process/1"


def dump(
    model: GaussianProcess,
    *,
    data: str,
    lineage: dict[str, Any],
    metrics: dict[str, float],
    arrays: dict[str, npt.NDArray[np.float64]] | None = None,
) -> bytes:
    """The file of a model; equal models give equal bytes.

    Args:
        model: What to save.
        data: Hash of the results it was fitted on.
        lineage: Parent file, model id, key of the fit, task: whatever tells where it comes from.
        metrics: Figures that judge it.
        arrays: Further arrays to keep beside it, as the training data.
    """
    hyper = model.hyper
    tensors = {
        "hyper.scalars": np.array(
            [hyper.amplitude, hyper.noise, model.location, model.scale, model.spread]
        ),
        "hyper.lengthscales": np.asarray(hyper.lengthscales, dtype=np.float64),
        "hyper.choice_lengthscales": np.asarray(hyper.choice_lengthscales, dtype=np.float64),
    }
    for name, array in (arrays or {}).items():
        tensors[f"data.{name}"] = np.ascontiguousarray(array, dtype=np.float64)
    card = {
        "format": FORMAT,
        "layout": asdict(model.layout),
        "priors": asdict(model.priors),
        "data": data,
        "lineage": lineage,
        "metrics": metrics,
        "notes": model.notes,
    }
    # One metadata entry only: the library writes several in hash order, which differs by process.
    return save(tensors, metadata={"card": canonical_json(card)})


def read_card(content: bytes) -> dict[str, Any]:
    """The JSON card in the header of a model file.

    Raises:
        ModelError: The bytes are not a model file of this format.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        card = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["card"])
        found = card["format"]
    except (ValueError, KeyError, TypeError) as err:
        raise ModelError("this is not a model file", do="give a file that `learn` wrote") from err
    if found != FORMAT:
        raise ModelError("the model file has another format", got=found, allowed=FORMAT)
    return card


def restore(content: bytes) -> GaussianProcess:
    """The model of a file; arrays and JSON only, nothing is ever unpickled.

    Raises:
        ModelError: The bytes are not a model file, or its parts do not fit together.
    """
    card = read_card(content)
    try:
        tensors = load(content)
        amplitude, noise, location, scale, spread = tensors["hyper.scalars"].tolist()
        layout, priors = card["layout"], card["priors"]
        model = GaussianProcess(
            layout=Layout(tuple(layout["continuous"]), tuple(layout["choices"]), layout["basis"]),
            priors=Priors(**priors),
            hyper=Hyperparameters(
                amplitude=amplitude,
                lengthscales=tuple(tensors["hyper.lengthscales"].tolist()),
                choice_lengthscales=tuple(tensors["hyper.choice_lengthscales"].tolist()),
                noise=noise,
            ),
            location=location,
            scale=scale,
            spread=spread,
            notes=card["notes"],
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as err:
        raise ModelError("the model file is damaged", got=str(err)) from err
    values = tensors["hyper.scalars"], tensors["hyper.lengthscales"]
    if not all(np.isfinite(part).all() for part in values):
        raise ModelError("the model file holds numbers that are not finite")
    return model


def arrays_of(content: bytes) -> dict[str, npt.NDArray[np.float64]]:
    """The arrays kept beside the model, by name."""
    prefix = "data."
    return {k[len(prefix) :]: v for k, v in load(content).items() if k.startswith(prefix)}
