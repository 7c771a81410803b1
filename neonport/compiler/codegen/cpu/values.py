"""Host C, the values: names, positions, loads and expressions of one kernel."""

from __future__ import annotations

from neonport.compiler.codegen.dialect import Arguments, Dialect, expression, loaded
from neonport.compiler.codegen.emitter import Emitter
from neonport.compiler.kernel import UNIT, ZERO, Kernel

COLUMNS = 128  # columns handled together when the innermost axis is kept


class HostValues:
    """Writes what a kernel computes with; the loops around it are the writer's.

    Attributes:
        k, d: kernel and dialect.
        args: order of the argument words.
        put: appends a line.
        fold, outer, inner: folded axes, kept axes outside of them, the innermost axis.
        given: texts of values that are made before the loop, by node.
    """

    def __init__(self, kernel: Kernel, dialect: Dialect, emitter: Emitter) -> None:
        self.k = kernel
        self.d = dialect
        self.args = Arguments(kernel)
        self.put, self.put_all = emitter.put, emitter.put_all
        self.given: dict[int, str] = {}
        self.fold = [i for i, f in enumerate(kernel.axes) if f]
        self.inner = len(kernel.axes) - 1
        kept = [i for i, f in enumerate(kernel.axes) if not f]
        self.outer = kept[:-1] if kernel.column else kept

    # ---- columns -----------------------------------------------------------------------------

    def each(self, line: str) -> None:
        """A statement for the row, or for each column of the block."""
        self.put(f"for (neo_i64 j = 0; j < w; ++j) {line}" if self.k.column else line)

    @property
    def at(self) -> str:
        """Index of the column at hand."""
        return "[j]" if self.k.column else ""

    def type(self, dtype: str) -> str:
        """C type of a compute dtype."""
        return self.d.types[dtype]

    # ---- positions ---------------------------------------------------------------------------

    def coordinates(self, row: str) -> None:
        """Outer coordinates, and the position of every access at the start of the row."""
        if len(self.outer) > 1:
            self.put(f"neo_i64 rest = {row};")
            for axis in reversed(self.outer[1:]):
                self.put(f"const neo_i64 i{axis} = rest % n{axis}; rest /= n{axis};")
            self.put(f"const neo_i64 i{self.outer[0]} = rest;")
        elif self.outer:
            self.put(f"const neo_i64 i{self.outer[0]} = {row};")
        for i, access in enumerate(self.k.accesses):
            terms = [self.term(i, axis, f"i{axis}") for axis in self.outer]
            offset = " + ".join(t for t in terms if t) or "0"
            if access.buffer >= 0:
                self.put(f"{self.type(access.dtype)} *const p{i} = b{i} + {offset};")
            else:
                self.put(f"const neo_i64 p{i} = {offset};")
            self.put(f"(void)p{i};")

    def term(self, access: int, axis: int, index: str) -> str:
        """Term that a coordinate adds to the position of an access; empty if its stride is 0."""
        kind = self.k.accesses[access].strides[axis]
        if kind == ZERO:
            return ""
        return index if kind == UNIT else f"{index} * s{access}_{axis}"

    def position(self, access: int, row: bool) -> str:
        """Offset of an element from the start of its row."""
        terms = [] if row else [self.term(access, axis, f"r{axis}") for axis in self.fold]
        if self.k.column:
            terms.append(self.term(access, self.inner, "(j0 + j)"))
        return " + ".join(t for t in terms if t) or "0"

    # ---- nodes -------------------------------------------------------------------------------

    def _rows(self, wanted: list[int]) -> set[int]:
        """Row-level nodes that `wanted` need."""
        needed: set[int] = set()
        stack = list(wanted)
        while stack:
            i = stack.pop()
            if i not in needed and self.k.nodes[i].row:
                needed.add(i)
                stack.extend(self.k.nodes[i].args)
        return needed

    def name(self, index: int) -> str:
        """Name of a node's value."""
        node = self.k.nodes[index]
        if node.row and self.k.column and node.op != "scalar":
            return f"v{index}[j]"
        return f"v{index}"

    def operand(self, index: int, dtype: str) -> str:
        """A node's value as a number of a dtype."""
        node = self.k.nodes[index]
        name = self.name(index)
        return name if node.dtype == dtype else f"(({self.type(dtype)}){name})"

    def _value(self, index: int) -> str:
        if index in self.given:
            return self.given[index]
        node = self.k.nodes[index]
        kind = self.type(node.dtype)
        if node.op == "load":
            access = self.k.accesses[node.attr]
            text = f"p{node.attr}[{self.position(node.attr, node.row)}]"
            return loaded(self.d, text, access.dtype, node.dtype)
        if node.op == "iota":
            return f"({kind})(p{node.attr} + {self.position(node.attr, node.row)})"
        if node.op == "rand":
            form, slot = node.attr
            return (
                f"neo_uniform(key{slot}, off{slot}, "
                f"(neo_word)(p{form} + {self.position(form, node.row)}))"
            )
        if node.op == "gather":
            form, stride, size = node.attr
            (where,) = (self.name(a) for a in node.args)
            text = f"p{form}[{self.position(form, node.row)} + {where} * {stride}]"
            text = loaded(self.d, text, self.k.accesses[form].dtype, node.dtype)
            return f"({where} >= 0 && {where} < {size} ? {text} : 0)"
        operands = [self.operand(a, node.dtype) for a in node.args]
        return expression(self.d, node, operands)

    def emit(self, indices: list[int]) -> None:
        """Define the values of nodes."""
        for i in indices:
            node = self.k.nodes[i]
            if node.op in ("scalar", "result"):
                continue
            self.put(f"const {self.type(node.dtype)} v{i} = {self._value(i)};")

    def row_nodes(self, phase: int) -> None:
        """Row values that become known after `phase`."""
        needed = self._rows(self._row_wanted())
        rows = [
            i
            for i, n in enumerate(self.k.nodes)
            if i in needed and n.row and n.phase == phase and n.op not in ("scalar", "result")
        ]
        if not rows:
            return
        if not self.k.column:
            self.emit(rows)
            for i in rows:
                self.put(f"(void)v{i};")
            return
        for i in rows:
            self.put(f"{self.type(self.k.nodes[i].dtype)} v{i}[{COLUMNS}];")
        self.put("for (neo_i64 j = 0; j < w; ++j) {")
        for i in rows:
            self.put(f"v{i}[j] = {self._value(i)};")
        self.put("}")

    def _row_wanted(self) -> list[int]:
        """Row values read by element nodes, reductions or row stores."""
        wanted = [s.source for s in self.k.stores] + [r.source for r in self.k.reductions]
        for node in self.k.nodes:
            if not node.row:
                wanted.extend(a for a in node.args)
        return [i for i in wanted if self.k.nodes[i].row]
