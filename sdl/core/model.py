"""The base of every noun: frozen, closed, finite."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

SAFE_ID = r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$"
"""Pattern of ``SafeId``."""

SafeId = Annotated[str, StringConstraints(pattern=SAFE_ID)]
"""An identifier that is safe in a path, a device message and a URL."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""Content address of an array or a model file."""


class Frozen(BaseModel):
    """A value: unknown keys are refused, NaN and infinity are refused, nothing changes later."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        # NaN in a free-form value must reach canonical_json and be refused, not turn into null.
        ser_json_inf_nan="constants",
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )


def canonical_json(value: Any) -> str:
    """Text of a JSON value that is equal for equal values: sorted keys, no spaces, no NaN.

    Args:
        value: A model or anything ``json`` can write.

    Raises:
        ValueError: The value holds NaN or infinity.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(value: Any) -> str:
    """SHA-256 of the canonical JSON of a value, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
