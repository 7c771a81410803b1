"""The report as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path

from neonport import __version__
from neonport.testing.reports.summary import Checked, OpReport, Report

MARK = '<meta name="generator" content="neonport conformance">'
HEAD = 4096  # characters in which the mark stands
Cell = tuple[str, float | None]
"""Text, and the number by which a column of numbers is sorted."""


def page(report: Report) -> str:
    """The whole page."""
    parts = {
        "title": escape(f"Conformance of {report.backend}"),
        "asked": escape(f"Tested: {report.words}. Seed {report.seed}. neonport {__version__}."),
        "sums": _sums(report),
        "sections": "\n".join(_sections(report)),
    }
    text = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    for name, part in parts.items():
        text = text.replace("{{" + name + "}}", part)
    return text


def is_report(path: Path) -> bool:
    """Whether a file is such a page, which may be replaced."""
    try:
        with path.open(encoding="utf-8") as file:
            return MARK in file.read(HEAD)
    except (OSError, ValueError):
        return False


def _sums(report: Report) -> str:
    numbers = {
        "passed": (report.passed - report.known, "good"),
        "failed": (len(report.failures), "bad" if report.failures else ""),
        "known gaps": (report.known, ""),
        "not tested": (sum(lack.cases for lack in report.lacks), ""),
    }
    return "".join(
        f'<li><b class="{kind}">{number}</b>{label}</li>'
        for label, (number, kind) in numbers.items()
    )


def _sections(report: Report) -> Iterable[str]:
    if report.stale:
        yield "<h2>Entries of the file of known gaps that fit nothing</h2>"
        yield _list(str(gap) for gap in report.stale)
    if report.failures:
        yield "<h2>Failures</h2>"
        yield from map(_failure, report.failures)
    yield "<h2>Ops</h2>"
    yield "<p>Errors are the largest of all cases: in units in the last place of the result, and as"
    yield " a part of the published bound.</p>"
    yield _table(
        ("op", "passed", "failed", "known gaps", "worst error, ulp", "of the bound", "state"),
        map(_op_cells, report.ops.values()),
    )
    if report.lacks:
        yield "<h2>Not tested</h2>"
        rows = [
            [(x.name, None), (str(x.level), x.level), (str(x.cases), x.cases), (x.how, None)]
            for x in report.lacks
        ]
        yield _table(("dtype or ability", "level", "cases", "why"), rows)


def _failure(checked: Checked) -> str:
    result = checked.result
    return (
        f"<details><summary><b>{escape(result.op)}</b> {escape(result.case_id)}: "
        f"{escape(' '.join(result.message.split()))}</summary>"
        f"<pre>{escape(checked.script)}</pre></details>"
    )


def _op_cells(report: OpReport) -> list[Cell]:
    failed = len(report.failures)
    counts = (report.passed - report.known, failed, report.known)
    return [
        (report.op, None),
        *((str(n), n) for n in counts),
        (in_ulps(report.ulps), -1.0 if report.ulps is None else report.ulps),
        (in_percent(report.share), -1.0 if report.share is None else report.share),
        ("FAIL" if failed else "ok", None),
    ]


def _table(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    head = "".join(f"<th><button>{escape(heading)}</button></th>" for heading in headings)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<table class="sortable"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(cell: Cell) -> str:
    text, number = cell
    if number is not None:
        value = number if number == number else float("inf")
        shown = "Infinity" if value == float("inf") else f"{value:.6g}"
        return f'<td class="n" data-value="{shown}">{escape(text)}</td>'
    kind = {"FAIL": ' class="bad"', "ok": ' class="good"'}.get(text, "")
    return f"<td{kind}>{escape(text)}</td>"


def _list(items: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def in_ulps(ulps: float | None) -> str:
    """An error in units in the last place, or nothing where no floats were compared."""
    return "" if ulps is None else f"{ulps:.3g}"


def in_percent(share: float | None) -> str:
    """An error as a part of its bound, or nothing where only exact results pass."""
    if share is None or share != share:
        return "" if share is None else "nan"
    return f"{share:.0%}" if share < 100 else f"{share:.2g} times"
