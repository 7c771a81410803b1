"""Host C, columns that are folded: what the next blocks will read is asked for ahead of time.

A block of columns reads a short piece of each row. Processors fetch ahead along pieces that are
long, so each block would wait for memory anew.
"""

from __future__ import annotations

from collections.abc import Sequence

from neonport.compiler.codegen.cpu.values import COLUMNS, HostValues
from neonport.compiler.kernel import UNIT
from neonport.compiler.reduction_phases import cone

FEW_ROWS = 64  # folded positions whose pieces of two blocks fit into the second cache
ROWS_AHEAD = 8  # of taller columns: the piece of a row that follows in the same block


class HostPrefetch:
    """Writes prefetches."""

    def __init__(self, values: HostValues) -> None:
        self.values, self.k, self.put = values, values.k, values.put
        self.fetched: set[int] = set()  # accesses

    def declare(self) -> None:
        """Declare the distance ahead, in columns and in rows; nothing has been fetched yet."""
        self.fetched = set()
        if self.k.column:
            rows = " * ".join(f"n{axis}" for axis in self.values.fold)
            self.put(f"const int few = {rows} <= {FEW_ROWS};")
            self.put(f"const neo_i64 columns_on = few ? {2 * COLUMNS} : 0;")
            self.put(f"const neo_i64 rows_on = few ? 0 : {ROWS_AHEAD};")
            self.put("(void)columns_on; (void)rows_on;")

    def fetch(self, wanted: Sequence[int]) -> None:
        """After the columns of a row: what the next blocks load, where it is loaded first."""
        last = self.values.fold[-1]
        for i in cone(self.k, wanted):
            node = self.k.nodes[i]
            if node.op != "load" or node.attr in self.fetched:
                continue
            if self.k.accesses[node.attr].strides[-1] != UNIT:
                continue
            self.fetched.add(node.attr)
            terms = [
                self.values.term(node.attr, axis, f"r{axis}") for axis in self.values.fold[:-1]
            ]
            terms.append(self.values.term(node.attr, last, f"(r{last} + rows_on)"))
            place = " + ".join(t for t in [*terms, "j0 + columns_on"] if t)
            size = f"w * (neo_i64)sizeof(*p{node.attr})"
            self.put(f"neo_ahead(p{node.attr} + {place}, {size});")
