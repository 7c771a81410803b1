"""Values of a kernel as a work-item computes them: one at a time, as a vector, or lane by lane.

`WIDTH` elements along the last axis are handled together. In a language with vector types they are
one value. Without them the loads and stores are packs, and the text between runs once a lane.
"""

from __future__ import annotations

from collections.abc import Callable

from neonport.compiler.codegen.dialect import SHORT_FLOATS
from neonport.compiler.codegen.emitter import Emitter
from neonport.compiler.codegen.gpu.dialects import DeviceDialect
from neonport.compiler.codegen.gpu.variant import KernelVariant
from neonport.compiler.codegen.reuse import kept, streamable
from neonport.compiler.kernel import UNIT, ZERO, Kernel


class DeviceValues:
    """Names and texts of the values of one kernel.

    Attributes:
        k, d, variant: what is written.
        put, put_all: append lines.
        width: elements that the code being written handles together.
        fold, outer, last: folded axes, kept axes outside of them, the last axis.
        given: how the loads of some accesses are read instead, by access: text of a node.
        have: of the values that are kept, what an earlier phase has computed.
    """

    def __init__(
        self, kernel: Kernel, dialect: DeviceDialect, variant: KernelVariant, emitter: Emitter
    ) -> None:
        self.k = kernel
        self.d = dialect
        self.variant = variant
        self.put, self.put_all = emitter.put, emitter.put_all
        self.given: dict[int, Callable[[int], str]] = {}
        self.width = 1
        self.last = len(kernel.axes) - 1
        self.fold = [i for i, f in enumerate(kernel.axes) if f]
        self.outer = [
            i for i, f in enumerate(kernel.axes) if not f and not (kernel.column and i == self.last)
        ]
        self.float64 = variant.float64 and any(n.dtype == "float64" for n in kernel.nodes)
        self.real = "float64" if self.float64 else "float32"
        self._varies: dict[int, bool] = {}
        self.keeps = kept(kernel, 1) if variant.keep else frozenset()
        self.streams = streamable(kernel, variant.keep > 0) if variant.stream else frozenset()
        self.have: set[int] = set()

    # ---- types -------------------------------------------------------------------------------

    @property
    def vector(self) -> int:
        """Width of the values in the text: 1 where lanes are written one by one."""
        return self.width if self.d.vectors else 1

    @property
    def lanes(self) -> bool:
        """Whether the text runs once a lane."""
        return self.width > 1 and not self.d.vectors

    def dtype(self, index: int) -> str:
        """Compute dtype of a node; float32 in place of float64 where the device has none."""
        dtype = self.k.nodes[index].dtype
        return "float32" if dtype == "float64" and not self.float64 else dtype

    def varies(self, index: int) -> bool:
        """Whether a node differs from one position of the last axis to the next."""
        found = self._varies.get(index)
        if found is None:
            found = self._varies[index] = self._find_varies(index)
        return found

    def _find_varies(self, index: int) -> bool:
        node = self.k.nodes[index]
        if node.op == "scalar":
            return False
        if node.op == "result":
            return self.k.column
        if node.op in ("load", "iota"):
            return self.k.accesses[node.attr].strides[-1] != ZERO
        if node.op in ("rand", "gather") and self.k.accesses[node.attr[0]].strides[-1] != ZERO:
            return True
        return any(self.varies(a) for a in node.args)

    def span(self, index: int) -> int:
        """Elements in the value of a node as it is written now."""
        return self.vector if self.varies(index) else 1

    def type(self, dtype: str, width: int = 1) -> str:
        """Type of values of a compute dtype."""
        return self.d.type(dtype, width)

    def splat(self, text: str, dtype: str, width: int) -> str:
        """The same number in every lane."""
        return f"(({self.type(dtype, width)})({text}))" if width > 1 else text

    # ---- positions ---------------------------------------------------------------------------

    def term(self, access: int, axis: int, index: str) -> str:
        """Term that a coordinate adds to the position of an access."""
        kind = self.k.accesses[access].strides[axis]
        if kind == ZERO:
            return ""
        return index if kind == UNIT else f"{index} * s{access}_{axis}"

    def position(self, access: int, fixed: bool = False) -> str:
        """Position of the (first) element; `fixed`: without the folded coordinates."""
        terms = [f"p{access}"]
        if not fixed:
            terms += [self.term(access, axis, f"r{axis}") for axis in self.fold]
        if self.k.column:
            terms.append(self.term(access, self.last, "j"))
        return " + ".join(t for t in terms if t)

    def counted(self, access: int, fixed: bool, kind: str, width: int) -> str:
        """A linear index form as numbers of an integer type."""
        text = f"({kind})({self.position(access, fixed)})"
        stride = self.k.accesses[access].strides[-1]
        if stride == ZERO or self.width == 1:
            return text
        if self.lanes:
            return f"({text} + l)"
        numbers = ", ".join(str(i) for i in range(width))
        return f"(({kind}{width}){text} + ({kind}{width})({numbers}))"

    # ---- memory ------------------------------------------------------------------------------

    def load(self, access: int, at: str, width: int, dtype: str) -> str:
        """Elements of a buffer as numbers of a compute dtype."""
        stored = self.k.accesses[access].dtype
        words = {"p": f"b{self.k.accesses[access].buffer}", "i": at, "w": width}
        if stored == "float16":
            words["w"] = str(width) if width > 1 else ""
            return self.cast(self.d.load_half.format(**words), "float32", dtype, width)
        template = self.d.load if width > 1 else "{p}[{i}]"
        return self.cast(template.format(**words), stored, dtype, width)

    def cast(self, text: str, source: str, target: str, width: int) -> str:
        """A plain conversion between types."""
        if source == target or (source == "bool" and target == "uint8"):
            return text
        if source == "bfloat16":
            words = {"s": self.d.suffix("float32", width), "w": str(width) if width > 1 else ""}
            text, source = self.d.from_bfloat16.format(x=text, **words), "float32"
            return self.cast(text, source, target, width)
        return self.d.convert.format(x=text, t=self.type(target, width))

    def store(self, access: int, index: int, at: str) -> None:
        """Write a node through an access."""
        target = self.k.accesses[access].dtype
        width = self.vector if self.k.accesses[access].strides[-1] != ZERO else 1
        text = self.operand(index, self.dtype(index), width)
        if target == "float16":
            text = self.d.shortened(text, self.dtype(index), width)
        else:
            text = self.d.converted(text, self.dtype(index), target, width)
        if self.lanes:
            half = f"neo_to_half({text})" if target == "float16" else text
            self.put(f"out{access}.x[l] = {half};")
            return
        row = self.d.store_half if target == "float16" else self.d.store
        if access in self.streams and width > 1 and target != "float16":
            row = self.d.store_past
        if width == 1 and target != "float16":
            row = "{p}[{i}] = {x};"
        buffer = f"b{self.k.accesses[access].buffer}"
        words = {"t": self.d.types[target], "w": width if width > 1 else ""}
        self.put(row.format(p=buffer, i=at, x=text, **words))

    def share(self, stores: list[tuple[int, int]], length: str, tail: bool) -> tuple[str, str]:
        """Number of vectors of a row, and the text in front of the number of one.

        Where the results' rows begin between vectors, so many elements (`peel`) are left over that
        all vectors lie as the results do.

        Args:
            stores: (access, node) of what is stored on the way.
            length: elements of the row (or chunk).
            tail: count the elements that are left over instead.
        """
        whole = self.variant.width
        shift = next((a for a, _ in stores if a in self.streams and self.variant.ragged), None)
        if shift is not None:
            self.put(f"const neo_int peel = -(p{shift} + lo) & {whole - 1};")
            self.put(f"const neo_int shifted = ({length} - peel) / {whole};")
            if tail:
                left = f"(e < peel ? 0 : shifted * {whole}) + "
                return f"{length} - shifted * {whole}", left
            return "shifted", "peel + "
        if tail:
            return f"{length} % {whole}", f"{length} / {whole} * {whole} + "
        return f"{length} / {whole}" if whole > 1 else length, ""

    # ---- nodes -------------------------------------------------------------------------------

    def name(self, index: int) -> str:
        """Name of a node's value."""
        return f"v{index}"

    def operand(self, index: int, dtype: str, width: int) -> str:
        """A node as `width` numbers of a dtype."""
        span = self.span(index)
        text = self.cast(self.name(index), self.dtype(index), dtype, span)
        return text if span == width else self.splat(text, dtype, width)

    def value(self, index: int, row: bool) -> str:
        """Text of a node."""
        node, width, dtype = self.k.nodes[index], self.span(index), self.dtype(index)
        if node.op == "load":
            if node.attr in self.given:
                return self.given[node.attr](index)
            if self.lanes and self.varies(index):
                stored = self.k.accesses[node.attr].dtype
                text = f"in{node.attr}.x[l]"
                if stored == "float16":
                    text, stored = f"neo_from_half({text})", "float32"
                return self.cast(text, stored, dtype, 1)
            return self.load(node.attr, self.position(node.attr, row), width, dtype)
        if node.op == "iota":
            text = self.counted(node.attr, row, "long" if self.d.vectors else "neo_i64", width)
            return self.cast(text, "int64", dtype, width)
        if node.op == "rand":
            form, slot = node.attr
            where = self.counted(form, row, "ulong", width)
            suffix = self.d.suffix("float32", width)
            text = f"neo_uniform_{suffix}(key{slot}, off{slot}, {where})"
            return self.cast(text, "float32", dtype, width)
        if node.op == "gather":
            return self._gather(index, row)
        operands = [self.operand(a, dtype, width) for a in node.args]
        template = self.d.template(node.op, dtype)
        return template.format(*operands, t=self.type(dtype, width), s=self.d.suffix(dtype, width))

    def _gather(self, index: int, row: bool) -> str:
        """An entry picked by a number; 0 where that is out of range."""
        node, width, dtype = self.k.nodes[index], self.span(index), self.dtype(index)
        form, stride, size = node.attr
        (where,) = (self.name(a) for a in node.args)
        base = self.position(form, row) + (" + l" if self.lanes and self.varies(index) else "")
        inside = f"((neo_word)(neo_i64){where} < {size})"  # a negative one is a large one
        # read in any case, from entry 0 if need be: some drivers get loads in branches wrong
        picked = f"({inside} ? (neo_int)({where}) : (neo_int)0)"
        text = self.load(form, f"{base} + {picked} * {stride}", width, dtype)
        return f"({inside} ? {text} : {self.splat('0', dtype, width)})"

    def cone(self, wanted: list[int], row: bool | None) -> list[int]:
        """Nodes (of the element or row level; None: both) that `wanted` need, in order.

        What kept values are made of is not needed again.
        """
        needed: set[int] = set()
        stack = list(wanted)
        while stack:
            i = stack.pop()
            if i not in needed and row in (None, self.k.nodes[i].row):
                needed.add(i)
                if i not in self.have:
                    stack.extend(self.k.nodes[i].args)
        return sorted(needed)

    def emit(self, indices: list[int], row: bool = False) -> None:
        """Define the values of nodes."""
        for i in indices:
            if self.k.nodes[i].op in ("scalar", "result"):
                continue
            kind = self.type(self.dtype(i), self.span(i))
            text = self._recall(i) if i in self.have else self.value(i, row)
            self.put(f"const {kind} {self.name(i)} = {text};")
            if i in self.keeps and i not in self.have:
                self._remember(i)

    # ---- rows --------------------------------------------------------------------------------

    def coordinates(self) -> None:
        """Outer coordinates, and the position of every access at the start of the row."""
        if len(self.outer) > 1:
            self.put("neo_int rest = row;")
            for axis in reversed(self.outer[1:]):
                self.put(f"const neo_int i{axis} = rest % n{axis}; rest /= n{axis};")
            self.put(f"const neo_int i{self.outer[0]} = rest;")
        elif self.outer:
            self.put(f"const neo_int i{self.outer[0]} = row;")
        for i, access in enumerate(self.k.accesses):
            terms = [f"a{i}"] if access.buffer >= 0 else []
            terms += [t for axis in self.outer if (t := self.term(i, axis, f"i{axis}"))]
            self.put(f"const neo_int p{i} = {' + '.join(terms) or '0'};")

    def scalars(self) -> None:
        """Numbers as values of their dtypes."""
        for i, node in enumerate(self.k.nodes):
            if node.op == "scalar":
                kind = self.type(self.dtype(i))
                self.put(f"const {kind} v{i} = ({kind})c{node.attr};")

    def integers(self) -> bool:
        """Whether the kernel computes with integers, and does not only move them."""
        moved = ("load", "iota", "scalar", "gather", "result", "broadcast")
        nodes = self.k.nodes
        if any(n.dtype == "int64" and n.op not in moved for n in nodes):
            return True
        short = [s.source for s in self.k.stores if self._is_short(s.access)]
        sources = [r.source for r in self.k.reductions] + short
        return any(not self.dtype(i).startswith("float") for i in sources)

    def _is_short(self, access: int) -> bool:
        return self.k.accesses[access].dtype in SHORT_FLOATS

    def row_nodes(self, phase: int) -> None:
        """Row values that become known after a phase."""
        wanted = [s.source for s in self.k.stores] + [r.source for r in self.k.reductions]
        for node in self.k.nodes:
            if not node.row:
                wanted.extend(node.args)
        rows = self.cone([i for i in wanted if self.k.nodes[i].row], True)
        self.emit([i for i in rows if self.k.nodes[i].phase == phase], row=True)

    # ---- values that a later phase reads again -----------------------------------------------

    def declare_kept(self) -> None:
        """Private arrays for the values that are kept; nothing is in them yet."""
        self.have = set()
        for i in sorted(self.keeps):
            self.put(f"{self.type(self.dtype(i))} kept{i}[{self.variant.keep}];")

    def _kept_place(self) -> str:
        """Place of the (first) value of the element at hand."""
        place = f"r{self.fold[0]}"
        for axis in self.fold[1:]:
            place = f"({place} * n{axis} + r{axis})"
        place += f" * {self.width}" if self.k.column else ""
        return place + (" + l" if self.lanes else "")

    def _remember(self, index: int) -> None:
        span = self.span(index)
        row = self.d.store if span > 1 else "{p}[{i}] = {x};"
        words = {"p": f"kept{index}", "i": self._kept_place(), "x": self.name(index)}
        self.put(row.format(w=span, **words))

    def _recall(self, index: int) -> str:
        span = self.span(index)
        row = self.d.load if span > 1 else "{p}[{i}]"
        return row.format(p=f"kept{index}", i=self._kept_place(), w=span)

    def open_lanes(self, indices: list[int], stores: list[int]) -> None:
        """Load packs and begin the loop over lanes, where the language has no vectors."""
        if not self.lanes:
            return
        loads = {
            self.k.nodes[i].attr for i in indices if self.k.nodes[i].op == "load" and self.varies(i)
        }
        for access in sorted(loads.difference(self.given)):
            pack = self._pack(access)
            where = f"b{self.k.accesses[access].buffer} + {self.position(access)}"
            self.put(f"const {pack} in{access} = *(const {pack} *)({where});")
        for access in stores:
            self.put(f"{self._pack(access)} out{access};")
        self.put("#pragma unroll")
        self.put(f"for (int l = 0; l < {self.width}; ++l) {{")

    def close_lanes(self, stores: list[int]) -> None:
        """End the loop over lanes and store the packs."""
        if not self.lanes:
            return
        self.put("}")
        for access in stores:
            where = f"b{self.k.accesses[access].buffer} + {self.position(access)}"
            self.put(f"*({self._pack(access)} *)({where}) = out{access};")

    def _pack(self, access: int) -> str:
        kind = self.d.types[self.k.accesses[access].dtype]
        return f"neo_pack<{kind}, {self.width}>"
