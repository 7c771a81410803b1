"""`neonport conformance NAME`: run the backend conformance suite and report per op."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import click

from neonport.cli.output import print_json, progress, reports_only, show
from neonport.plugins import registry


@dataclass
class OpReport:
    """Summary of the cases of one op."""

    op: str
    passed: int = 0
    failures: list[Any] = field(default_factory=list)
    max_error: float = 0.0

    def add(self, result: Any) -> None:
        """Count one case; an error that is not a number is the largest of all."""
        if result.passed:
            self.passed += 1
        else:
            self.failures.append(result)
        if result.max_error is not None:
            error = float(result.max_error)
            self.max_error = error if error != error else max(self.max_error, error)


def summarize(results: Iterable[Any]) -> dict[str, OpReport]:
    """Group results by op, in the order in which the suite ran them."""
    reports: dict[str, OpReport] = {}
    for result in results:
        reports.setdefault(result.op, OpReport(result.op)).add(result)
    return reports


@click.command()
@click.argument("name", required=False)
@click.option("--only", multiple=True, metavar="OP", help="Test this op only; may be repeated.")
@click.option("--list", "as_list", is_flag=True, help="List the ops and how many cases they have.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every failure.")
@click.pass_context
def conformance(
    ctx: click.Context, name: str | None, only: tuple[str, ...], as_list: bool, as_json: bool
) -> None:
    """Test backend NAME against the definition of every op.

    Exit status 1 when a case fails.
    """
    from neonport.backends.api.plugin_ops import plugin_op
    from neonport.testing.conformance import applicable, counts, opened, run

    known = counts()
    for op in set(only) - set(known):
        if plugin_op(op) is not None:  # it is in the table now
            known = counts()
    chosen = _chosen(only, known)
    if as_list:
        listed = {op: known[op] for op in chosen or known}
        if as_json:
            print_json(listed)
        else:
            show(("op", "cases"), listed.items())
        return
    if name is None:
        raise click.UsageError("name a backend; `neonport doctor` lists them")
    registry.require(name)
    with reports_only(), opened(name) as be:
        total = sum(1 for _ in applicable(be, chosen))
        reports = summarize(progress(run(be, chosen), total, f"testing {name}"))
    failures = [result for report in reports.values() for result in report.failures]
    passed = sum(report.passed for report in reports.values())
    if as_json:
        print_json(_as_data(name, reports, passed, len(failures)))
    else:
        _print(reports, failures)
        click.echo(f"{passed + len(failures)} cases")
        click.echo(f"{passed} passed, {len(failures)} failed")
    ctx.exit(1 if failures or not passed else 0)


def _chosen(only: tuple[str, ...], known: Collection[str]) -> tuple[str, ...] | None:
    """The ops that are asked for; None for all.

    Raises:
        BadParameter: one of them has no case.
    """
    for op in only:
        if op not in known:
            close = difflib.get_close_matches(op, known, 3)
            guess = f"did you mean {' or '.join(close)}?" if close else "--list shows the ops"
            raise click.BadParameter(f"no case is named {op!r}; {guess}", param_hint="--only")
    return only or None


def _print(reports: dict[str, OpReport], failures: list[Any]) -> None:
    """Print the table of ops, then one line a failure."""
    rows = [
        (r.op, r.passed, len(r.failures), f"{r.max_error:.2e}", "FAIL" if r.failures else "ok")
        for r in reports.values()
    ]
    columns = ("op", "passed", "failed", "max error", "")
    show(columns, rows, {"FAIL": "red", "ok": "green"}, whole=columns)
    for result in failures:
        message = " ".join(str(result.message).split())
        click.echo(f"FAILED {result.op} {result.case_id}: {message}")


def _as_data(name: str, reports: dict[str, OpReport], passed: int, failed: int) -> dict[str, Any]:
    """Return the report as JSON holds it."""
    fields = ("case_id", "max_error", "bound", "message")
    return {
        "backend": name,
        "passed": passed,
        "failed": failed,
        "ops": [
            {
                "op": r.op,
                "passed": r.passed,
                "failed": len(r.failures),
                "max_error": r.max_error,
                "failures": [{f: getattr(x, f) for f in fields} for x in r.failures],
            }
            for r in reports.values()
        ],
    }
