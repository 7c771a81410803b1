"""`neonport conformance NAME`: run the backend conformance suite and report per op."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neonport.cli.output import print_json, progress, reports_only, show, write_text
from neonport.plugins import registry
from neonport.plugins.text import printable

if TYPE_CHECKING:
    from neonport.testing.reports.summary import Report

COLUMNS = ("op", "passed", "failed", "known", "worst ulp", "of bound", "")
MESSAGE_LENGTH = 800  # characters of a failure on the terminal


@click.command(
    epilog="Levels: 0 memory and copies, 1 compile and launch, 2 library calls, 3 recording, "
    "DLPack and random numbers on the device. Example: neonport conformance cpu --only exp"
)
@click.argument("name", required=False)
@click.option("--only", multiple=True, metavar="OP", help="Test this op only; may be repeated.")
@click.option(
    "--level",
    type=click.IntRange(0, 3),
    help="Test what a device of this level has to hold. [default: all that it declares]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    help="Of the numbers in operands of ops. [default: 0]",
)
@click.option(
    "--xfails",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file of known gaps; entries that no longer fit are failures.",
)
@click.option(
    "--report",
    "report_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the report there as one HTML page.",
)
@click.option("--force", is_flag=True, help="Let --report replace a file that is no report.")
@click.option("--list", "as_list", is_flag=True, help="List the ops and how many cases they have.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with every failure.")
@click.pass_context
def conformance(
    ctx: click.Context,
    name: str | None,
    only: tuple[str, ...],
    level: int | None,
    seed: int,
    xfails: Path | None,
    report_path: Path | None,
    force: bool,
    as_list: bool,
    as_json: bool,
) -> None:
    """Test backend NAME against the definition of every op.

    What the device declares is tested; what it does not declare (dtypes, kernels, DLPack, ...) is
    listed. Each failure comes with a script that reproduces it. Exit status 1 when a case fails.
    """
    from neonport.backends.api.plugin_ops import plugin_op
    from neonport.testing.conformance import applicable, counts, opened, undeclared
    from neonport.testing.known_gaps import read_known_gaps
    from neonport.testing.reports.summary import Report, run, stale_gaps

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
    _check_report(report_path, force)
    gaps = read_known_gaps(xfails) if xfails else []
    registry.require(name)
    with reports_only(), opened(name) as be:
        report = Report(name, level, seed)
        report.lacks = undeclared(be, chosen, level)
        report.stale = stale_gaps(be, chosen, level, gaps)
        total = sum(1 for _ in applicable(be, chosen, level))
        report.add(progress(run(be, chosen, level, seed, gaps), total, f"testing {name}"))
    if report_path is not None:
        from neonport.testing.reports.html import page

        write_text(report_path, page(report))
    if as_json:
        print_json(report.as_data())
    else:
        _print(report)
    ctx.exit(0 if report.right else 1)


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


def _check_report(path: Path | None, force: bool) -> None:
    """Refuse, before anything runs, to replace a file that is no report, unless asked to.

    Raises:
        ClickException: there is such a file, or no such folder.
    """
    from neonport.testing.reports.html import is_report

    if path is None:
        return
    shown = click.format_filename(path)
    if path.is_file() and not force and not is_report(path):
        raise click.ClickException(f"{shown} exists and is no report; --force replaces it")
    if not path.parent.is_dir():
        raise click.ClickException(f"{shown}: there is no such folder")


def _print(report: Report) -> None:
    """Print the table of ops, what was not tested, and each failure with its script."""
    from neonport.testing.reports.html import in_percent, in_ulps
    from neonport.testing.reports.summary import SHOWN

    rows = [
        (
            r.op,
            r.passed - r.known,
            len(r.failures),
            r.known or "",
            in_ulps(r.ulps),
            in_percent(r.share),
            "FAIL" if r.failures else "ok",
        )
        for r in report.ops.values()
    ]
    show(COLUMNS, rows, {"FAIL": "red", "ok": "green"}, whole=COLUMNS)
    for lack in report.lacks:
        click.echo(str(lack))
    for op in report.ops.values():
        before = None
        for number, (result, script) in enumerate(op.failures, 1):
            message = printable(result.message, MESSAGE_LENGTH)
            shown = "the same" if message == before else message
            click.echo(f"FAILED {result.op} {result.case_id}: {shown}")
            before = message
            if number <= SHOWN:
                click.echo("".join(f"    {line}\n" for line in script.splitlines()))
        if len(op.failures) > SHOWN:
            click.echo(f"{op.op}: --json and --report have the scripts of all failures\n")
    for gap in report.stale:
        click.echo(f"FAILED known gaps: no case that runs fits {gap}; remove the entry")
    failed = len(report.failures)
    known = f", {report.known} known to fail" if report.known else ""
    click.echo(f"{report.passed + failed} cases ({report.words})")
    click.echo(f"{report.passed - report.known} passed, {failed} failed{known}")
