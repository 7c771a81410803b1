"""Host C, transposed loads: neighbours in memory lie along the axis outside the innermost one.

Read where it is needed, such an element brings a line of which nothing else is used before it
leaves the cache. So a tile of rows is computed together: its block of the load is
transposed into a buffer, out of whole lines and in registers, and each row reads the buffer.
"""

from __future__ import annotations

from neonport.compiler.codegen.cpu.values import HostValues
from neonport.compiler.codegen.dialect import loaded
from neonport.compiler.codegen.reuse import transposed

TILE_ROWS = 64  # rows of a tile: several lines, so that the odd start of one costs little
TILE_COLUMNS = 64  # elements of each row that are transposed together


class HostTransposedLoads:
    """Writes the tiles of a kernel.

    Attributes:
        accesses: of the loads that go through tiles.
    """

    def __init__(self, values: HostValues) -> None:
        self.values, self.k, self.put = values, values.k, values.put
        self.accesses = sorted(transposed(self.k))
        for i, node in enumerate(self.k.nodes):
            if node.op == "load" and not node.row and node.attr in self.accesses:
                place = f"(row - row0) * {TILE_COLUMNS} + r{values.inner} - lo"
                text = f"turned{node.attr}[{place}]"
                dtype = self.k.accesses[node.attr].dtype
                values.given[i] = loaded(values.d, text, dtype, node.dtype)

    def open_tiles(self) -> None:
        """Loops over tiles, then over the rows of one; tasks are numbered chunk by chunk."""
        last = self.values.outer[-1]
        rows = " * ".join(f"n{axis}" for axis in self.values.outer)
        self.put(f"const neo_i64 all = {rows};")
        self.put("for (neo_i64 t = begin, rows; t < end; t += rows) {")
        self.put("const neo_i64 ch = t / all, row0 = t % all;")
        self.put(f"rows = neo_lesser(neo_lesser({TILE_ROWS}, end - t), n{last} - row0 % n{last});")
        self.put(f"const neo_i64 stop = neo_lesser((ch + 1) * chunk, n{self.values.inner});")
        self.put(f"for (neo_i64 lo = ch * chunk; lo < stop; lo += {TILE_COLUMNS}) {{")
        self.put(f"const neo_i64 hi = neo_lesser(lo + {TILE_COLUMNS}, stop);")
        for access in self.accesses:
            kind = self.values.type(self.k.accesses[access].dtype)
            self.put(f"{kind} turned{access}[{TILE_ROWS * TILE_COLUMNS}] NEO_ALIGNED;")
        self.put("{")
        self.values.coordinates("row0")
        for access in self.accesses:
            step = f"s{access}_{self.values.inner}"
            self.put(f"NEO_TURN(turned{access}, p{access} + lo * {step}, {step}, rows, hi - lo);")
        self.put("}")
        self.put("for (neo_i64 row = row0; row < row0 + rows; ++row) {")
        self.values.coordinates("row")
