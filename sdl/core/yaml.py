"""YAML to frozen models; every error names file, line, what was given and what is allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sdl.core.errors import ConfigError, excerpt
from sdl.core.model import SAFE_ID

MAX_BYTES = 1_000_000
MAX_ALIASES = 10
MAX_DIGITS = 400

M = TypeVar("M", bound=BaseModel)
Location = tuple[int | str, ...]

# What PyYAML raises of its own on a value that does not fit its tag, as `!!int ""`.
_MISFITS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
# Lists whose order is lost, and bytes: no key of ours is one.
_NOT_OURS = ("set", "omap", "pairs", "binary")


class _Loader(yaml.SafeLoader):
    """Safe loader that refuses duplicate keys, keys that are no text and swarms of aliases."""

    aliases = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        parser: Any = self  # the stubs leave this method without types
        if parser.check_event(yaml.AliasEvent):
            self.aliases += 1
            if self.aliases > MAX_ALIASES:
                raise yaml.YAMLError(f"more than {MAX_ALIASES} aliases")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        # A sequence may carry the tag of a mapping.
        pairs: list[tuple[yaml.Node, yaml.Node]] = node.value if node.id == "mapping" else []
        for key, _ in pairs:
            if not isinstance(key, yaml.ScalarNode):
                raise _refused("a key is a list or a mapping, not a word", key)
            if key.value in seen:
                raise _refused(f"the key {excerpt(key.value)} stands twice", key)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        library: Any = super()  # the stubs leave this method without types
        try:
            return library.construct_object(node, deep)
        except _MISFITS as err:
            kind = str(node.tag).rpartition(":")[2]
            raise _refused(f"{excerpt(node.value)} is no {kind}", node) from err

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value: Any = super().construct_scalar(node)
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise _refused(f"{excerpt(value)} holds half a character", node)
        if node.tag in _NUMBERS and len(value) > MAX_DIGITS:
            raise _refused(f"a number of {len(value)} digits", node)
        return value


def _refused_kind(loader: _Loader, node: yaml.Node) -> Any:
    raise _refused(f"no key of ours takes {node.tag.rpartition(':')[2]!r}", node)


for _kind in _NOT_OURS:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _refused_kind)


def _refused(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def read_text(path: Path, what: str) -> str:
    """The text of a file.

    Raises:
        ConfigError: Absent, a directory, not readable, not UTF-8 or longer than 1 MB, or no name
            that a file can have.
    """
    try:
        return _read(path, what)
    except (OSError, ValueError) as err:  # ValueError: not UTF-8, NUL in the name
        reason = err.strerror if isinstance(err, OSError) else str(err)
        raise ConfigError(
            f"{what} cannot be read",
            got=reason,
            allowed="a readable file of UTF-8 text",
            do="check the path",
            where=excerpt(path.name) if len(path.name) > 200 else path,
        ) from err


def _read(path: Path, what: str) -> str:
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*" + path.suffix)) if path.suffix else []
        raise ConfigError(
            f"{what} does not exist" if not path.exists() else f"{what} is not a file",
            where=path,
            allowed=f"an existing file{', here: ' + ', '.join(near[:8]) if near else ''}",
            do="check the path",
        )
    if path.stat().st_size > MAX_BYTES:
        raise ConfigError(
            f"{what} is too long",
            got=f"{path.stat().st_size} bytes",
            allowed=f"at most {MAX_BYTES} bytes",
            do="split it, or check that it is the right file",
            where=path,
        )
    return path.read_text(encoding="utf-8")


def load(path: Path, model: type[M], what: str = "the file") -> M:
    """Reads and validates a YAML file.

    Args:
        path: The file.
        model: The model it must match.
        what: What the file is, for messages: ``"the campaign file"``.

    Raises:
        ConfigError: With file and line, what was given, what is allowed, what to do.
    """
    return parse(read_text(path, what), model, str(path))


def parse(text: str, model: type[M], name: str) -> M:
    """Validates YAML text; ``name`` stands for the file in messages.

    Raises:
        ConfigError: As ``load``.
    """
    try:
        data = yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader
        root = _compose(text)
    except (yaml.YAMLError, RecursionError, *_MISFITS) as err:
        mark = getattr(err, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        problem = getattr(err, "problem", None) or str(err)
        raise ConfigError(
            "this is not valid YAML",
            got=problem,
            allowed="YAML with each key once and two-space indents",
            do="correct this line",
            where=f"{name}{line}",
        ) from err
    if not isinstance(data, dict):
        raise ConfigError(
            "the file holds no keys",
            got=type(data).__name__,
            allowed=", ".join(model.model_fields),
            do="write `key: value` lines",
            where=f"{name}:1",
        )
    try:
        return model.model_validate(data)
    except ValidationError as err:
        raise _config_error(err, model, root, name) from err


def _compose(text: str) -> yaml.Node | None:
    library: Any = yaml  # the stubs leave this function without types
    return library.compose(text, Loader=yaml.SafeLoader)


def place_of(path: Path, *keys: str | int) -> str:
    """``file:line`` of a key of a file that was read before; ``file`` if it cannot be found."""
    try:
        root = _compose(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return str(path)
    return f"{path}:{line_of(root, keys)}"


def line_of(root: yaml.Node | None, location: Location) -> int:
    """The line, from 1, of the deepest part of ``location`` that exists in the document.

    An item of a list is found by its number, or by the value of its key ``name``.
    """
    if root is None:
        return 1
    node, line = root, root.start_mark.line
    for key in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
            line = node.start_mark.line
        elif isinstance(node, yaml.SequenceNode):
            named = next((item for item in node.value if _name_of(item) == key), None)
            if named is not None:
                line, node = named.start_mark.line, named
        elif isinstance(node, yaml.MappingNode):
            # Tags of discriminated unions stand in the location but not in the document.
            for name, value in node.value:
                if name.value == str(key):
                    line, node = name.start_mark.line, value
                    break
    return line + 1


def _name_of(node: yaml.Node) -> str | None:
    """The value of the key ``name`` of a mapping."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == "name":
                return str(value.value)
    return None


def _config_error(
    err: ValidationError, model: type[BaseModel], root: yaml.Node | None, name: str
) -> ConfigError:
    # A faulty child makes its parent too short or missing: only the innermost errors are told.
    every = err.errors()
    parents = {e["loc"][:depth] for e in every for depth in range(len(e["loc"]))}
    inner = [e for e in every if e["loc"] not in parents]
    # A misspelt key is also a missing one: the line where it stands is the one to correct.
    details = sorted(
        inner or every, key=lambda e: (e["type"] == "missing", line_of(root, e["loc"]))
    )
    first = details[0]
    rest = len(details) - 1
    what, got, allowed, do = _explain(first, model)
    if rest:
        do = f"{do} ({rest} more to mend after this one)"
    return ConfigError(
        what, got=got, allowed=allowed, do=do, where=f"{name}:{line_of(root, first['loc'])}"
    )


def _explain(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str, str | None, str]:
    """What, got, allowed, do for one pydantic error."""
    location, given = error["loc"], error.get("input")
    dotted = ".".join(str(part)[:100] for part in location)
    if error["type"] == "extra_forbidden":
        owner = _model_at(model, location[:-1])
        keys = list(owner.model_fields) if owner else []
        near = difflib.get_close_matches(str(location[-1]), keys, n=1)
        do = f"did you mean {near[0]!r}?" if near else "remove it"
        return "unknown key", excerpt(location[-1]), ", ".join(keys) or None, do
    if error["type"] == "missing":
        return f"{dotted} is missing", "nothing", None, f"add `{str(location[-1])[:100]}: ...`"
    if error["type"] == "finite_number" or (isinstance(given, float) and not math.isfinite(given)):
        return f"{dotted} must be a finite number", excerpt(given), "a finite number", "correct it"
    message = error["msg"].removeprefix("Value error, ")
    head, _, allowed = message.partition("; allowed: ")
    return f"{dotted}: {head}", excerpt(given), allowed or _allowed(error), "correct this value"


def _allowed(error: ErrorDetails) -> str | None:
    context = error.get("ctx") or {}
    if context.get("pattern") == SAFE_ID:
        return "letters, digits, `.`, `_` and `-`, at most 64, beginning with a letter or digit"
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [f"{sign} {context[key]}" for key, sign in signs.items() if key in context]
    if bounds:
        return " and ".join(bounds)
    if error["type"] == "too_short":
        return f"at least {context['min_length']}"
    expected = context.get("expected") or context.get("expected_tags") or context.get("pattern")
    return None if expected is None else str(expected)


def _model_at(model: type[BaseModel], location: Iterable[int | str]) -> type[BaseModel] | None:
    """The model that holds ``location``, following fields and skipping indices and tags."""
    candidates: list[type[BaseModel]] = [model]
    for part in location:
        fields = [m.model_fields[str(part)] for m in candidates if str(part) in m.model_fields]
        if fields:
            candidates = list(_models_in(fields[0].annotation))
        else:
            tagged = [m for m in candidates if _tag(m) == str(part)]
            candidates = tagged or candidates
    return candidates[0] if candidates else None


def _tag(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    return None if kind is None else str(kind.default)


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
