"""Reuse analysis of a kernel: values worth keeping between phases, results worth streaming.

Host and device writers keep costly values from one loop to the next, and store large results past
the cache. Which values and which results these are depends on the kernel alone.
"""

from __future__ import annotations

from functools import lru_cache

from neonport.compiler.kernel import ANY, UNIT, Kernel
from neonport.compiler.reduction_phases import cone
from neonport.ops.op import OPS, Cost

# what costs more than to write it to the nearest cache and to read it back
COSTLY = frozenset(name for name, op in OPS.items() if op.cost is Cost.COSTLY)


@lru_cache(maxsize=4096)
def kept(kernel: Kernel, loops: int = 2) -> frozenset[int]:
    """Costly element values that more than one loop over the row needs.

    Args:
        kernel: the kernel.
        loops: those that a variance takes.
    """
    costly: set[int] = set()
    for i, node in enumerate(kernel.nodes):
        if not node.row and (node.op in COSTLY or costly.intersection(node.args)):
            costly.add(i)
    found: set[int] = set()
    before: set[int] = set()
    for wanted in _loops(kernel, loops):
        nodes = cone(kernel, wanted)
        again = before.intersection(nodes) & costly
        users = [i for i in nodes if i not in before]
        direct = set(wanted).union(*(kernel.nodes[i].args for i in users))
        found |= again & direct
        before.update(nodes)
    return frozenset(found)


def _loops(kernel: Kernel, variance: int) -> list[list[int]]:
    """Nodes that each loop over a row computes, in the order of the loops."""
    loops = []
    for phase in range(kernel.phases):
        reductions = [r for r in kernel.reductions if r.phase == phase]
        stores = [s.source for s in kernel.stores if s.phase == phase and not s.row]
        loops.append([r.source for r in reductions] + stores)
        if variance > 1:
            loops.append([r.source for r in reductions if r.twice])
    return [wanted for wanted in loops if wanted]


@lru_cache(maxsize=4096)
def streamable(kernel: Kernel, keep: bool) -> frozenset[int]:
    """Accesses of stores, side by side, into memory that the kernel does not read.

    Where a costly function is computed right before the store, the processor has enough to do while
    it waits for memory: such stores are left to the cache.
    """
    read = {kernel.accesses[n.attr].buffer for n in kernel.nodes if n.op == "load"}
    read |= {kernel.accesses[n.attr[0]].buffer for n in kernel.nodes if n.op == "gather"}
    have = kept(kernel) if keep else frozenset()
    return frozenset(
        s.access
        for s in kernel.stores
        if not s.row
        and kernel.accesses[s.access].strides[-1] == UNIT
        and kernel.accesses[s.access].buffer not in read
        and not any(
            kernel.nodes[i].op in COSTLY for i in cone(kernel, [s.source], have) if i not in have
        )
    )


@lru_cache(maxsize=4096)
def strided(kernel: Kernel) -> frozenset[int]:
    """Accesses of loads whose neighbours along the innermost axis do not lie side by side.

    A kernel with reductions counts as one that has none.
    """
    if kernel.reductions:
        return frozenset()
    loads = {n.attr for n in kernel.nodes if n.op == "load" and not n.row}
    return frozenset(i for i in loads if kernel.accesses[i].strides[-1] == ANY)


@lru_cache(maxsize=4096)
def transposed(kernel: Kernel, axis: int = -2) -> frozenset[int]:
    """Those of `strided` whose neighbours lie along an axis that is not the innermost one.

    Args:
        kernel: the kernel.
        axis: that axis.
    """
    if len(kernel.axes) < 2:
        return frozenset()
    return frozenset(i for i in strided(kernel) if kernel.accesses[i].strides[axis] == UNIT)


def transposed_axis(kernel: Kernel) -> int | None:
    """The axis along which most transposed loads have their neighbours; None if there are none."""
    outer = range(len(kernel.axes) - 1)
    counts = {axis: len(transposed(kernel, axis)) for axis in outer}
    return max((a for a in outer if counts[a]), key=lambda a: (counts[a], a), default=None)
