"""The actor as an ONNX graph, for programs without torch; written node by node from its weights.

Inputs: ``observation`` (rows, numbers), ``mask`` (rows, options) of bool where there are heads, and
``h``, ``c`` (1, rows, width) of a recurrent actor. Outputs: ``logits``, ``action`` (the most
probable allowed option of each head, or the middle of a continuous action), ``h_next``, ``c_next``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from agents.learning.actor import Actor
from agents.learning.distribution import FORBIDDEN
from agents.learning.layout import SLOT_HEAD, Layout
from agents.learning.network import LOG_STD

OPSET = 18
IR_VERSION = 9


class _Graph:
    """Nodes and constants in the order they are needed."""

    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._weights = weights
        self._known: set[str] = set()

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """A constant by name, once."""
        if name not in self._known:
            self._known.add(name)
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def raw(self, name: str) -> NDArray[Any]:
        """A weight of the actor as an array."""
        return self._weights[name]

    def weight(self, name: str) -> str:
        """A weight of the actor."""
        return self.constant(name, self._weights[name])

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One node with one output."""
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def linear(self, source: str, layer: str, output: str) -> str:
        """A linear layer on (rows, numbers)."""
        inputs = [source, self.weight(f"{layer}.weight"), self.weight(f"{layer}.bias")]
        return self.add("Gemm", inputs, output, transB=1)

    def linear_last(self, source: str, layer: str, output: str) -> str:
        """A linear layer on the last of three axes."""
        turned = self.constant(f"{layer}.turned", self._weights[f"{layer}.weight"].T)
        product = self.add("MatMul", [source, turned], f"{output}.product")
        return self.add("Add", [product, self.weight(f"{layer}.bias")], output)

    def dense(self, source: str, prefix: str, layers: int, activation: str, last: bool) -> str:
        """Linear layers with activations, as ``agents.learning.network.dense`` numbers them."""
        for n in range(layers):
            linear = self.linear_last if last else self.linear
            hidden = linear(source, f"{prefix}.{2 * n}", f"{prefix}.{n}.sum")
            source = self.add(activation, [hidden], f"{prefix}.{n}.out")
        return source


def to_onnx(actor: Actor) -> bytes:
    """The graph of an actor.

    Args:
        actor: Any kind.
    """
    layout = actor.layout
    weights = {k: v.detach().cpu().numpy() for k, v in actor.network.state_dict().items()}
    graph = _Graph(weights)
    inputs = [("observation", TensorProto.FLOAT, ("rows", len(layout.entries)))]
    outputs = [("logits", TensorProto.FLOAT, ("rows", sum(layout.nvec) or 2 * layout.size))]
    if layout.kind == "lstm":
        state = (1, "rows", layout.lstm_size)
        inputs += [("h", TensorProto.FLOAT, state), ("c", TensorProto.FLOAT, state)]
        outputs += [("h_next", TensorProto.FLOAT, state), ("c_next", TensorProto.FLOAT, state)]
    _LOGITS[layout.kind](graph, layout)
    if layout.nvec:
        inputs.append(("mask", TensorProto.BOOL, ("rows", sum(layout.nvec))))
        outputs.append(("action", TensorProto.INT64, ("rows", len(layout.nvec))))
        _choice(graph, layout)
    else:
        outputs.append(("action", TensorProto.FLOAT, ("rows", layout.size)))
        _middle(graph, layout)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "actor",
            [helper.make_tensor_value_info(*each) for each in inputs],
            [helper.make_tensor_value_info(*each) for each in outputs],
            graph.constants,
        ),
        producer_name="solid-state-sdl",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def _mlp(graph: _Graph, layout: Layout) -> None:
    latent = graph.dense("observation", "trunk", len(layout.hidden), "Tanh", False)
    graph.linear(latent, "head", "logits")


def _pointer(graph: _Graph, layout: Layout) -> None:
    columns = np.array([c for part in layout.slots for c in part], dtype=np.int64)
    shape = np.array([-1, len(layout.slots), len(layout.slots[0])], dtype=np.int64)
    flat = graph.add("Gather", ["observation", graph.constant("columns", columns)], "flat", axis=1)
    shelf = graph.add("Reshape", [flat, graph.constant("shape", shape)], "shelf")
    slots = graph.dense(shelf, "shelf.slot", 2, "Tanh", True)
    others = graph.constant("others", np.array(layout.others, dtype=np.int64))
    rest = graph.add("Gather", ["observation", others], "rest", axis=1)
    axis = graph.constant("axis_1", np.array([1], dtype=np.int64))
    mean = graph.add("ReduceMean", [slots, axis], "mean", keepdims=0)
    features = graph.add("Concat", [rest, mean], "features", axis=1)
    latent = graph.dense(features, "trunk", len(layout.hidden), "Tanh", False)
    plain = graph.linear(latent, "head", "plain")
    scale = np.array(1.0 / np.sqrt(layout.slot_size), dtype=np.float32)
    query = graph.add(
        "Mul", [graph.linear(latent, "query", "query"), graph.constant("scale", scale)], "scaled"
    )
    axis_2 = graph.constant("axis_2", np.array([2], dtype=np.int64))
    upright = graph.add("Unsqueeze", [query, axis_2], "upright")
    product = graph.add("MatMul", [slots, upright], "product")
    pointed = graph.add("Squeeze", [product, axis_2], "pointed")
    before = sum(layout.nvec[:SLOT_HEAD])
    after = sum(layout.nvec[SLOT_HEAD + 1 :])
    sizes = [size for size in (before, after) if size]
    names = [f"plain.{n}" for n in range(len(sizes))]
    cut = graph.constant("cut", np.array(sizes, dtype=np.int64))
    graph.nodes.append(helper.make_node("Split", [plain, cut], names, axis=1))
    parts = [*names[:1], pointed, *names[1:]]
    graph.add("Concat", parts, "logits", axis=1)


def _lstm(graph: _Graph, layout: Layout) -> None:
    size = layout.lstm_size

    def turned(name: str) -> NDArray[Any]:
        """Torch keeps the gates as input, forget, cell, output; ONNX as input, output, forget."""
        i, f, g, o = np.split(graph.raw(name), 4)
        return np.concatenate([i, o, f, g])[None]

    given = graph.constant("W", turned("lstm.weight_ih_l0"))
    kept = graph.constant("R", turned("lstm.weight_hh_l0"))
    biases = [turned("lstm.bias_ih_l0"), turned("lstm.bias_hh_l0")]
    bias = graph.constant("B", np.concatenate(biases, axis=1))
    zero = graph.constant("axis_0", np.array([0], dtype=np.int64))
    sequence = graph.add("Unsqueeze", ["observation", zero], "sequence")
    graph.nodes.append(
        helper.make_node(
            "LSTM",
            [sequence, given, kept, bias, "", "h", "c"],
            ["", "h_next", "c_next"],
            hidden_size=size,
        )
    )
    out = graph.add("Squeeze", ["h_next", zero], "out")
    latent = graph.dense(out, "trunk", len(layout.hidden), "Tanh", False)
    graph.linear(latent, "head", "logits")


def _gaussian(graph: _Graph, layout: Layout) -> None:
    latent = graph.dense("observation", "trunk", len(layout.hidden), "Relu", False)
    both = graph.linear(latent, "head", "both")
    cut = graph.constant("cut", np.array([layout.size, layout.size], dtype=np.int64))
    graph.nodes.append(helper.make_node("Split", [both, cut], ["means", "log_std"], axis=1))
    bounds = [
        graph.constant(name, np.array(value, dtype=np.float32))
        for name, value in zip(("low", "high"), LOG_STD, strict=True)
    ]
    clipped = graph.add("Clip", ["log_std", *bounds], "clipped")
    graph.add("Concat", ["means", clipped], "logits", axis=1)


def _choice(graph: _Graph, layout: Layout) -> None:
    """The most probable allowed option of each head."""
    forbidden = graph.constant("forbidden", np.array(FORBIDDEN, dtype=np.float32))
    masked = graph.add("Where", ["mask", "logits", forbidden], "masked")
    cut = graph.constant("heads", np.array(layout.nvec, dtype=np.int64))
    names = [f"head.{n}" for n in range(len(layout.nvec))]
    graph.nodes.append(helper.make_node("Split", [masked, cut], names, axis=1))
    best = [graph.add("ArgMax", [name], f"{name}.best", axis=1, keepdims=1) for name in names]
    graph.add("Concat", best, "action", axis=1)


def _middle(graph: _Graph, layout: Layout) -> None:
    """The middle of a continuous action."""
    graph.add("Tanh", ["means"], "action")


_LOGITS = {"mlp": _mlp, "pointer": _pointer, "lstm": _lstm, "gaussian": _gaussian}
