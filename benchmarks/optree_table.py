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
        cells.append("-" if found is None else beside(row, *found))
        table.add_row(*cells)
    return table


def beside(row: Row, peer: str, ratio: float) -> str:
    """A peer, our speed over its, and where its median lies with 95 % confidence."""
    return f"{peer} {ratio:.2f} [{{:.2f}}-{{:.2f}}]".format(*row.interval(peer))


def verdict(rows: Sequence[Row], best: Callable[[Row], tuple[str, float] | None]) -> str:
    """Which trees are no faster than their best peer, told apart by what the turns can tell."""
    ties, slower = [], []
    for row in rows:
        found = best(row)
        if found is None or row.interval(found[0])[0] > 1:
            continue
        kind = slower if row.interval(found[0])[1] < 1 else ties
        kind.append(f"{row.workload} ({beside(row, *found)})")
    return (
        f"Slower than the best peer: {', '.join(slower) or 'none'}. "
        f"Not told apart (the interval holds 1): {', '.join(ties) or 'none'}."
    )


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


def markdown(
    about: dict[str, Any],
    results: Sequence[dict[str, Any]],
    best: Callable[[Row], tuple[str, float] | None],
) -> str:
    """The machine, and a table for each size: the same as on the terminal, to be kept."""
    lines = [f"- {name}: {value}" for name, value in about.items()]
    for n in dict.fromkeys(r["elements"] for r in results):
        rows = [r for r in results if r["elements"] == n]
        names = list(dict.fromkeys(name for r in rows for name in r["row"].ratios))
        heads = ["tree", "kernels", "us", "GB/s", "% of copy", *(f"x {name}" for name in names)]
        heads += ["best peer"] if names else []
        if any(r["overhead_us"] for r in rows):
            heads += ["warm us", "bound us", "build us"]
        lines += [
            "",
            f"## {n:,} elements",
            "",
            f"| {' | '.join(heads)} |",
            "|---" * len(heads) + "|",
        ]
        for r in rows:
            row: Row = r["row"]
            share = f"{r['of_copy']:.0%}" if r["of_copy"] else "-"
            cells = [row.workload, str(r["kernels"]), f"{row.timings[0].median * 1e6:.1f}"]
            cells += [f"{row.rate(row.timings[0]):.1f}", share]
            for name in names:
                ratio = row.ratios.get(name)
                cells.append("-" if ratio is None else "{1:.2f} ({0:.2f}-{2:.2f})".format(*ratio))
            found = best(row)
            cells += [] if found is None else [beside(row, *found)]
            cells += [f"{value:.2f}" for value in (r["overhead_us"] or {}).values()]
            lines.append(f"| {' | '.join(cells)} |")
        ratios = [found[1] for r in rows if (found := best(r["row"]))]
        if ratios:
            mean = f"geometric mean {geometric_mean(ratios):.2f}x, lowest {min(ratios):.2f}x"
            lines += ["", f"Best peer: {mean}. {verdict([r['row'] for r in rows], best)}"]
    return "\n".join(lines) + "\n"
