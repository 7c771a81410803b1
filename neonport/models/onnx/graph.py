"""An ONNX graph that grows node by node, and tensors in it that know their logical shape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from neonport.foundation.extras import need
from neonport.layers.shapes import interpret_in_shape, is_int

PURPOSE = "exporting a model to ONNX"
SAMPLES = "samples"  # the name of the axis whose size is open


@dataclass(frozen=True)
class Value:
    """A tensor of the graph, samples before features as ONNX has them.

    | logical shape | tensor |
    |---|---|
    | F, (F,), (F, 1) | (N, F) |
    | (F, T) | (T, N, F), as ONNX's recurrent operators have sequences |
    | (C, H, W), (C, D, H, W) | (N, C, H, W), (N, C, D, H, W) |

    Attributes:
        name: in the graph.
        shape: logical shape of the layer's outputs.
    """

    name: str
    shape: Any

    @property
    def is_sequence(self) -> bool:
        """Whether there are several time steps."""
        return not is_int(self.shape) and len(self.shape) == 2 and self.shape[1] > 1

    @property
    def is_image(self) -> bool:
        """Whether it has axes for maps and positions."""
        return not is_int(self.shape) and len(self.shape) > 2

    @property
    def features(self) -> int:
        """Numbers of a sample at a time step."""
        return interpret_in_shape(self.shape)[0]

    @property
    def sizes(self) -> tuple[int, ...]:
        """The logical shape as a tuple."""
        return (self.shape,) if is_int(self.shape) else tuple(self.shape)


class Graph:
    """Nodes and constants of an ONNX graph.

    Attributes:
        scope: what names of new nodes begin with, the layer's name.
        names: layer -> name for its nodes.
        branches: BranchNode -> the trunk's value there.

    Raises:
        ConfigurationError: the library onnx is not installed.
    """

    def __init__(self) -> None:
        self.helper = need("onnx.helper", PURPOSE)
        self.arrays = need("onnx.numpy_helper", PURPOSE)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.scope = ""
        self.names: dict[Any, str] = {}
        self.branches: dict[Any, Value] = {}
        self._counts: Counter[str] = Counter()
        self._small: dict[Any, str] = {}

    def _new(self, hint: str) -> str:
        name = f"{self.scope}/{hint}" if self.scope else hint
        self._counts[name] += 1
        return name if self._counts[name] == 1 else f"{name}_{self._counts[name]}"

    def node(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node.

        Args:
            op: operator of ONNX.
            inputs: names of tensors, "" for one that is left out.
            outputs: how many there are.
            attributes: of the operator.

        Returns:
            The name of its output, or a list of several.
        """
        name = self._new(op)
        made = [name] if outputs == 1 else [f"{name}:{k}" for k in range(outputs)]
        self.nodes.append(self.helper.make_node(op, inputs, made, name=name, **attributes))
        return made[0] if outputs == 1 else made

    def weights(self, hint: str, array: Any) -> str:
        """Add an array of float32 numbers as a constant; returns its name."""
        return self._constant(hint, np.ascontiguousarray(array, dtype=np.float32))

    def whole(self, *numbers: int) -> str:
        """The name of a constant of whole numbers, such as a shape; equal ones are one."""
        if numbers not in self._small:
            scope, self.scope = self.scope, ""
            text = "x".join(map(str, numbers))
            self._small[numbers] = self._constant(f"int_{text}", np.array(numbers, np.int64))
            self.scope = scope
        return self._small[numbers]

    def number(self, value: float) -> str:
        """The name of a constant float32 number."""
        return self._constant("number", np.array(value, np.float32))

    def _constant(self, hint: str, array: np.ndarray) -> str:
        name = self._new(hint)
        self.constants.append(self.arrays.from_array(array, name))
        return name

    # ---- layouts -------------------------------------------------------------------------------

    def transpose(self, name: str, *perm: int) -> str:
        """Permute axes."""
        return str(self.node("Transpose", name, perm=perm))

    def reshape(self, name: str, *sizes: int) -> str:
        """Give a tensor another shape; 0 copies the size at that place, -1 is inferred."""
        return str(self.node("Reshape", name, self.whole(*sizes)))

    def rows(self, value: Value) -> str:
        """A tensor with one row a sample, its logical shape row by row."""
        if value.is_sequence:
            return self.reshape(self.transpose(value.name, 1, 2, 0), 0, prod(value.shape))
        return str(self.node("Flatten", value.name, axis=1)) if value.is_image else value.name

    def from_rows(self, name: str, shape: Any) -> Value:
        """The value of a logical shape, of a tensor with one row a sample."""
        found = Value(name, shape)
        if not (found.is_sequence or found.is_image):
            return found
        apart = self.reshape(name, 0, *found.sizes)
        return Value(self.transpose(apart, 2, 0, 1) if found.is_sequence else apart, shape)

    def as_shape(self, value: Value, shape: Any) -> Value:
        """The same numbers under another logical shape."""
        other = Value(value.name, shape)
        plain = value.is_image or value.is_sequence or other.is_image or other.is_sequence
        return self.from_rows(self.rows(value), shape) if plain else other

    def steps(self, value: Value, features: int, steps: int) -> str:
        """A tensor (steps, samples, features), also of a value with one step and of an image."""
        if value.is_sequence and value.shape == (features, steps):
            return value.name
        if steps == 1:
            return str(self.node("Unsqueeze", self.rows(value), self.whole(0)))
        return self.from_rows(self.rows(value), (features, steps)).name

    def from_steps(self, name: str, features: int, steps: int) -> Value:
        """The value of a tensor (steps, samples, features)."""
        if steps == 1:
            name = str(self.node("Squeeze", name, self.whole(0)))
        return Value(name, (features, steps))

    def input(self, name: str, shape: Any, whole: bool) -> tuple[Any, Value]:
        """An input of the graph: its description, and the value that layers read.

        Args:
            name: of the input.
            shape: logical shape; of a sequence the input is (samples, steps, features).
            whole: whole numbers, the ids of a lookup table.
        """
        value = Value(name, shape)
        axes = value.sizes[::-1] if value.is_sequence else value.sizes
        axes = (value.features,) if not (value.is_sequence or value.is_image) else axes
        kind = "int64" if whole else "float32"
        made = self._described(name, axes, kind)
        if value.is_sequence:
            value = Value(self.transpose(name, 1, 0, 2), shape)
        return made, value

    def output(self, name: str, value: Value) -> Any:
        """Call a value `name` and describe it, as an output of the graph."""
        axes: Sequence[int] = value.sizes if value.is_image else (value.features,)
        source = value.name
        if value.is_sequence:
            source, axes = self.transpose(value.name, 1, 0, 2), value.sizes[::-1]
        self.nodes.append(self.helper.make_node("Identity", [source], [name], name=name))
        return self._described(name, axes, "float32")

    def _described(self, name: str, axes: Sequence[int], kind: str) -> Any:
        dtype = self.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
        return self.helper.make_tensor_value_info(name, dtype, [SAMPLES, *axes])
