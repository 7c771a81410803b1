"""What each phase of a kernel computes, and in which phase a reduction is done."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from neonport.compiler.kernel import Kernel, Node, Reduction


def cone(kernel: Kernel, wanted: Sequence[int], have: Collection[int] = ()) -> list[int]:
    """Element-level nodes that `wanted` need, in order; what lies below `have` is not needed."""
    needed: set[int] = set()
    stack = list(wanted)
    while stack:
        i = stack.pop()
        if i not in needed and not kernel.nodes[i].row:
            needed.add(i)
            if i not in have:
                stack.extend(kernel.nodes[i].args)
    return sorted(needed)


def postponed(kernel: Kernel) -> Kernel:
    """Move each reduction to the last phase that reads its operand anyway.

    As built, a reduction is done as soon as it can be. Where nobody needs it so soon, that may be
    the only thing for which a phase reads an array.

    A variance looks at its elements twice: it stays out of phases that store some.

    Example:
        In the gradient of a normalisation, the sum of the errors could be taken in the phase of
        mean and variance of the inputs. The next phase reads the errors as well: done there, the
        sum costs no further reading.
    """
    if kernel.phases < 2:
        return kernel
    storing = {s.phase for s in kernel.stores if not s.row}
    reductions = list(kernel.reductions)

    def work(numbers: Collection[int]) -> set[int]:
        return set(cone(kernel, [reductions[n].source for n in numbers]))

    members = [_members(reductions, phase) for phase in range(kernel.phases)]
    for phase in reversed(range(kernel.phases - 1)):  # later phases are settled
        later: dict[int, int] = {}
        for number in members[phase]:
            last = _last(kernel, reductions, number)
            barred = storing if reductions[number].twice else ()
            fits = (p for p in range(last, phase, -1) if p not in barred)
            folded = work([number])
            found = next((p for p in fits if folded <= work(members[p])), None)
            if found is not None:
                later[number] = found
        stays = work([n for n in members[phase] if n not in later])
        for number, found in later.items():
            if not work([number]) <= stays:  # else this phase would become no shorter
                reductions[number] = replace(reductions[number], phase=found)
        members = [_members(reductions, phase) for phase in range(kernel.phases)]
    if tuple(reductions) == kernel.reductions:
        return kernel
    nodes = _known(kernel.nodes, reductions)
    return replace(kernel, nodes=nodes, reductions=tuple(reductions))


def _members(reductions: Sequence[Reduction], phase: int) -> list[int]:
    return [n for n, r in enumerate(reductions) if r.phase == phase]


def _last(kernel: Kernel, reductions: Sequence[Reduction], number: int) -> int:
    """The last phase in which a reduction may be done: before all that need its result."""
    above = {reductions[number].result}
    for i, node in enumerate(kernel.nodes):
        if above.intersection(node.args):
            above.add(i)
    uses = [r.phase for r in reductions if r.source in above]
    uses += [s.phase for s in kernel.stores if not s.row and s.source in above]
    return min(uses, default=kernel.phases) - 1


def _known(nodes: Sequence[Node], reductions: Sequence[Reduction]) -> tuple[Node, ...]:
    """Nodes with the phase after which each is known, from those of the reductions."""
    found: list[Node] = []
    for node in nodes:
        phase = max((found[a].phase for a in node.args), default=-1)
        if node.op == "result":
            phase = reductions[node.attr].phase
        found.append(node._replace(phase=phase))
    return tuple(found)
