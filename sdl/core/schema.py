"""JSON Schema of the files people write, for completion in YAML editors."""

from __future__ import annotations

import json

from pydantic import BaseModel


def json_schema(model: type[BaseModel]) -> str:
    """The schema of a file's model as indented JSON, stable from run to run."""
    return json.dumps(model.model_json_schema(mode="validation"), indent=2, sort_keys=True) + "\n"
