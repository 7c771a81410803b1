"""Tables of `optree.py`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from rich.table import Table

from benchmarks.harness import OURS, Row


def geometric_mean(values: Sequence[float]) -> float:
    """The mean of ratios."""
    return math.exp(sum(map(math.log, values)) / len(values))


def size_table(
    n: int, results: Sequence[dict[str, Any]], best: Callable[[Row], tuple[str, float] | None]
) -> Table:
    """One row a tree: our time and rate, and our speed over each peer's."""
    names = list(dict.fromkeys(name for r in results for name in r["row"].ratios))
    table = Table(title=f"{n:,} elements", box=None, pad_edge=False, title_justify="left")
    for head in ("tree", "kernels", f"{OURS} us", "min max", "GB/s", "% of copy"):
        table.add_column(head, justify="left" if head == "tree" else "right", no_wrap=True)
    for name in (*names, "best peer"):
        table.add_column(name if name == "best peer" else f"x {name}", justify="right")
    for result in results:
        row: Row = result["row"]
        ours = row.timings[0]
        share = result["of_copy"]
        cells = [
            row.workload,
            str(result["kernels"]),
            f"{ours.median * 1e6:.1f}",
            f"{min(ours.seconds) * 1e6:.1f} {max(ours.seconds) * 1e6:.1f}",
            f"{row.rate(ours):.1f}",
            f"{share:.0%}" if share else "-",
        ]
        for name in names:
            ratio = row.ratios.get(name)
            cells.append("-" if ratio is None else "{1:.2f} ({0:.2f}-{2:.2f})".format(*ratio))
        found = best(row)
        cells.append("-" if found is None else f"{found[0]} {found[1]:.2f}")
        table.add_row(*cells)
    return table


def overhead_table(results: Sequence[dict[str, Any]]) -> Table:
    """Microseconds of a statement: building and running it, running what is bound, building."""
    table = Table(title="overhead, us a statement", box=None, pad_edge=False, title_justify="left")
    kinds = ("warm", "bound", "build")
    for head in ("tree", *kinds):
        table.add_column(head, justify="left" if head == "tree" else "right")
    for result in results:
        if result["overhead_us"]:
            cells = [f"{result['overhead_us'][kind]:.2f}" for kind in kinds]
            table.add_row(result["row"].workload, *cells)
    return table
