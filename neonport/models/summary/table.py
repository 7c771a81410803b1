"""The table of `Model.summary`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from neonport.layers.crossing import Passage, passages
from neonport.layers.layer_container import LayerContainer
from neonport.layers.shapes import is_flat, is_int
from neonport.models.placing import settle
from neonport.models.summary.counting import Counted, NotCounted, count
from neonport.models.weights.names import named_layers
from neonport.optimizers.base import get_param_list

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = (
    "layer",
    "kind",
    "output",
    "parameters",
    "weights + outputs",
    "forward",
    "backward",
    "launches",
)
WIDTH = 160  # characters; what is printed is as wide as the table needs


@dataclass(frozen=True)
class LayerSummary:
    """A layer; what is not known yet is None.

    Attributes:
        name: as in `get_weights` and `activations`.
        kind: class of the layer.
        output: logical shape of the outputs, batch excluded.
        parameters: numbers that are trained.
        parameter_bytes: memory of these.
        output_bytes: memory of the outputs of a batch; 0 of a layer that works in the buffer below.
        forward_operations, backward_operations: floating-point operations of a training step, in
            which a multiply-add counts as two.
        forward_kernels, backward_kernels: fused kernels of a step.
        forward_calls, backward_calls: matrix products and other calls of a step.
    """

    name: str
    kind: str
    output: Any = None
    parameters: int | None = None
    parameter_bytes: int | None = None
    output_bytes: int | None = None
    forward_operations: int | None = None
    backward_operations: int | None = None
    forward_kernels: int | None = None
    backward_kernels: int | None = None
    forward_calls: int | None = None
    backward_calls: int | None = None


class ModelSummary:
    """What `Model.summary` returns; `print` shows the table, notebooks draw it.

    Args:
        name: of the model.
        batch: samples in a minibatch.
        rows: the layers.
        remark: what is missing, and why.
        crossings: where the network goes from one backend to another.

    Attributes:
        rows: the layers.
        crossings: where the network goes from one backend to another, and how values cross.

    Example:
        found = model.summary(3)
        assert found.parameters == 9 and found.rows[0].output == (3, 1)
    """

    def __init__(
        self,
        name: str,
        batch: int | None,
        rows: list[LayerSummary],
        remark: str = "",
        crossings: Sequence[Passage] = (),
    ) -> None:
        self.name = name
        self.batch = batch
        self.rows = rows
        self.crossings = list(crossings)
        lines = [f"crossing: {crossing}" for crossing in self.crossings]
        self.remark = "\n".join([*([remark] if remark else []), *lines])

    @property
    def data(self) -> list[dict[str, Any]]:
        """The rows as dicts, for `pandas.DataFrame(summary.data)` or JSON."""
        return [asdict(row) for row in self.rows]

    @property
    def parameters(self) -> int | None:
        """Trained numbers of all layers; None if that is not known yet."""
        return self.total("parameters")

    def total(self, field: str) -> int | None:
        """Sum of a number of `LayerSummary` over all layers; None if one is not known."""
        values = [getattr(row, field) for row in self.rows]
        return None if None in values else sum(values)

    def _cells(self, row: LayerSummary | ModelSummary) -> list[str]:
        def number(field: str) -> int | None:
            return getattr(row, field) if isinstance(row, LayerSummary) else self.total(field)

        launches = [number("forward_kernels"), number("backward_kernels")]
        calls = [number("forward_calls"), number("backward_calls")]
        memory = [number("parameter_bytes"), number("output_bytes")]
        return [
            _count(number("parameters")),
            "" if None in memory else f"{_bytes(memory[0])} + {_bytes(memory[1])}",
            _count(number("forward_operations")),
            _count(number("backward_operations")),
            "" if None in launches else _launches(launches, calls),
        ]

    def table(self) -> Table:
        """The table for rich, whose console prints it in colour."""
        from rich.table import Table
        from rich.text import Text

        batch = "" if self.batch is None else f", minibatches of {self.batch}"
        out = Table(
            title=f"{self.name}: {len(self.rows)} layers{batch}",
            title_justify="left",
            box=None,
            pad_edge=False,
            caption=self.remark or None,
            caption_justify="left",
            show_footer=True,
        )
        footer = ["total", "", "", *self._cells(self)]
        for heading, cell in zip(HEADINGS, footer, strict=True):
            right = heading in ("parameters", "forward", "backward")
            out.add_column(heading, Text(cell), justify="right" if right else "left", no_wrap=True)
        for row in self.rows:
            cells = [row.name, row.kind, _shape(row.output), *self._cells(row)]
            out.add_row(*map(Text, cells))
        return out

    def __str__(self) -> str:
        from rich.console import Console

        file = StringIO()
        Console(file=file, width=WIDTH, color_system=None).print(self.table())
        return "\n".join(line.rstrip() for line in file.getvalue().splitlines())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from rich.console import Console

        console = Console(file=StringIO(), width=WIDTH, record=True)
        console.print(self.table())
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def summarize(model: Any, shape: Any) -> ModelSummary:
    """See `Model.summary`.

    Args:
        model: the model.
        shape: logical shape of a sample, None if it is not known yet.
    """
    layers = named_layers(model.layers)
    names = {id(layer): name for name, layer in layers.items()}
    if shape is None:
        rows = [_unknown(name, layer) for name, layer in layers.items()]
        return ModelSummary(model.name, None, rows, "give the shape of a sample to see the rest")
    batch = model.be.bsz
    try:
        counted = count(model.layers, shape, batch, model.be.default_dtype)
    except NotCounted as error:
        describe = _known if model.initialized else _unknown
        rows = [describe(name, layer) for name, layer in layers.items()]
        why = f"launches are not counted: {error}"
        return ModelSummary(model.name, batch, rows, why, _crossings(model, names))
    own = [model.layers, *model.layers.layers_fprop()]
    rows = [
        _row(names.get(id(layer), layer.name), layer if model.initialized else entry.layer, entry)
        for layer, entry in zip(own, counted, strict=True)
        if id(layer) in names or entry.launches
    ]
    return ModelSummary(model.name, batch, rows, crossings=_crossings(model, names))


def _crossings(model: Any, names: dict[int, str]) -> list[Passage]:
    """Where the model goes from one backend to another; before it is configured, where it will."""
    if not model.initialized:
        settle(model)
    return list(passages(model.layers, names))


def _unknown(name: str, layer: Any) -> LayerSummary:
    return LayerSummary(name, layer.classnm)


def _known(name: str, layer: Any) -> LayerSummary:
    """What a layer says of itself."""
    container = isinstance(layer, LayerContainer)
    pairs = get_param_list([layer]) if layer.has_params and not container else []
    values = [parameter for (parameter, _), _ in pairs]
    outputs = layer.outputs if layer.owns_output and not container else None
    return LayerSummary(
        name,
        layer.classnm,
        layer.out_shape,
        sum(value.size for value in values),
        sum(value.size * value.dtype.itemsize for value in values),
        0 if outputs is None else outputs.size * outputs.dtype.itemsize,
    )


def _row(name: str, layer: Any, entry: Counted) -> LayerSummary:
    """A layer, with what its copy launches."""
    known = _known(name, layer)
    return LayerSummary(
        **{
            **asdict(known),
            "forward_operations": entry.forward.operations,
            "backward_operations": entry.backward.operations,
            "forward_kernels": entry.forward.kernels,
            "backward_kernels": entry.backward.kernels,
            "forward_calls": entry.forward.calls,
            "backward_calls": entry.backward.calls,
        }
    )


def _shape(shape: Any) -> str:
    """`10`, `10 x 5 steps`, `3 x 32 x 32`."""
    if shape is None:
        return ""
    if is_int(shape):
        return str(shape)
    if not is_flat(shape):
        return ", ".join(map(_shape, shape))
    if len(shape) == 2:
        return f"{shape[0]}" if shape[1] == 1 else f"{shape[0]} x {shape[1]} steps"
    return " x ".join(map(str, shape))


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _bytes(value: int | None) -> str:
    """Bytes in a unit with three digits."""
    size, unit = float(value or 0), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 999.5:
            break
        size, unit = size / 1000, larger
    return f"{size:.3g} {unit}"


def _launches(kernels: list[Any], calls: list[Any]) -> str:
    """`1 + 2 kernels, 1 + 2 calls`, forward + backward; nothing where nothing is launched."""
    parts = [
        f"{pair[0]} + {pair[1]} {word}"
        for pair, word in ((kernels, "kernels"), (calls, "calls"))
        if any(pair)
    ]
    return ", ".join(parts)
