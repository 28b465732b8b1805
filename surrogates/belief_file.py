"""A belief over the twin as one safetensors file: its ensemble and a JSON card."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from sdl.core.errors import ModelError
from sdl.core.model import canonical_json
from sdl.core.proposal import ModelVersion
from surrogates.parameters import Parameter, ParameterSet
from surrogates.twin_belief import TwinBelief

FORMAT = "solid-state-sdl/twin-belief/1"
KIND = "twin-belief"
"""``ModelVersion.kind`` of a belief."""


def dump_belief(belief: TwinBelief) -> bytes:
    """The file of a belief; equal beliefs give equal bytes."""
    card = {
        "format": FORMAT,
        "system": belief.system,
        "system_hash": belief.system_hash,
        "parameters": [asdict(p) for p in belief.parameters.parameters],
        "fitted": sorted(belief.fitted),
        "lineage": belief.lineage,
        "metrics": belief.metrics,
    }
    tensors = {"ensemble": np.ascontiguousarray(belief.ensemble, dtype=np.float64)}
    return save(tensors, metadata={"card": canonical_json(card)})


def read_belief_card(content: bytes) -> dict[str, Any]:
    """The JSON card in the header of a belief's file.

    Raises:
        ModelError: The bytes are not such a file.
    """
    try:
        length = int.from_bytes(content[:8], "little")
        card = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["card"])
        found = card["format"]
    except (ValueError, KeyError, TypeError) as err:
        raise ModelError(
            "this is not the file of a belief", do="give a file that a calibration wrote"
        ) from err
    if found != FORMAT:
        raise ModelError("the file of the belief has another format", got=found, allowed=FORMAT)
    return card


def restore_belief(content: bytes) -> TwinBelief:
    """The belief of a file; arrays and JSON only, nothing is ever unpickled.

    Raises:
        ModelError: The bytes are not the file of a belief, or its parts do not fit together.
    """
    card = read_belief_card(content)
    try:
        parameters = ParameterSet(
            tuple(
                Parameter(p["name"], float(p["sd"]), tuple(p["entries"]))
                for p in card["parameters"]
            )
        )
        return TwinBelief(
            system=card["system"],
            system_hash=card["system_hash"],
            parameters=parameters,
            ensemble=load(content)["ensemble"],
            fitted=frozenset(card["fitted"]),
            lineage=card["lineage"],
            metrics=card["metrics"],
        )
    except (SafetensorError, KeyError, TypeError, ValueError) as err:
        raise ModelError("the file of the belief is damaged", got=str(err)) from err


def version_of(
    belief: TwinBelief, id: str, *, parent: str | None = None, reason: str = ""
) -> tuple[ModelVersion, bytes]:
    """The belief as a model version, and the file that its hash names.

    Args:
        belief: The belief.
        id: Identifier of the version, as ``M12``.
        parent: Hash of the file it was updated from.
        reason: Why it is used, or not.
    """
    content = dump_belief(belief)
    version = ModelVersion(
        id=id,
        kind=KIND,
        file=hashlib.sha256(content).hexdigest(),
        data=str(belief.lineage.get("data", "")),
        parent=parent,
        metrics=belief.metrics,
        promoted=promoted(belief),
        reason=reason,
    )
    return version, content


def promoted(belief: TwinBelief) -> bool:
    """Whether it predicts held-out outcomes better than the prior, by log density.

    A belief without held-out rows is not promoted: nothing has judged it.
    """
    return belief.metrics.get("held_out.gain.log_density", 0.0) > 0.0
