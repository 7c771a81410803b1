"""Order of the arguments of a work-item kernel."""

from __future__ import annotations

from functools import cached_property

from neonport.compiler.codegen.gpu.launch_shape import LaunchShape
from neonport.compiler.kernel import ANY, Kernel


class DeviceArguments:
    """Order of a kernel's arguments: buffers, scratch, integers, numbers, random sources."""

    def __init__(self, kernel: Kernel, split: bool) -> None:
        self.kernel = kernel
        self.split = split

    @cached_property
    def integers(self) -> tuple[tuple[str, int, int], ...]:
        """(what, access or axis, axis) of each integer argument."""
        found = [("n", axis, 0) for axis in range(len(self.kernel.axes))]
        found += [("items", 0, 0), ("rows", 0, 0), ("nch", 0, 0), ("chunk", 0, 0)]
        for i, access in enumerate(self.kernel.accesses):
            if access.buffer >= 0:
                found.append(("b", i, 0))
            found += [("s", i, axis) for axis, kind in enumerate(access.strides) if kind == ANY]
        return tuple(found)

    @staticmethod
    def name(entry: tuple[str, int, int]) -> str:
        """Word of an integer argument."""
        what, i, axis = entry
        if what == "s":
            return f"s{i}_{axis}"
        return f"a{i}" if what == "b" else f"n{i}" if what == "n" else what

    def values(
        self,
        shape: LaunchShape,
        sizes: tuple[int, ...],
        starts: tuple[int, ...],
        strides: tuple[tuple[int, ...], ...],
    ) -> list[int]:
        """Values of the integer arguments (`items` is per row)."""
        single = {
            "items": shape.vectors, "rows": shape.rows, "nch": shape.chunks, "chunk": shape.chunk
        }  # fmt: skip
        found = []
        for what, i, axis in self.integers:
            if what == "n":
                found.append(sizes[i])
            elif what == "b":
                found.append(starts[i])
            elif what == "s":
                found.append(strides[i][axis])
            else:
                found.append(single[what])
        return found
