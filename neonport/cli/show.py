"""`neonport show`: the kernels that an expression, or every statement of a script, becomes.

A checkpoint is listed by `neonport.cli.checkpoints`.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neonport.cli.checkpoints import existing, is_checkpoint_file, show_checkpoint
from neonport.cli.output import refuse_existing, write_text
from neonport.dtypes import as_dtype
from neonport.errors import ConfigurationError

if TYPE_CHECKING:
    from neonport.compiler.explain.explanation import Explanation

DIALECTS = ("c", "opencl", "opencl-cpu", "cuda")


@click.command(
    epilog="Examples: neonport show '1 / (1 + be.exp(-x))' --shape x=1000x1000 --source; "
    "neonport show script.py"
)
@click.argument("subject", metavar="FILE_OR_EXPRESSION")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--source", is_flag=True, help="Show the text of the kernels.")
@click.option("--prelude", is_flag=True, help="With --source: all that the compiler is given.")
@click.option(
    "--mermaid",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write the op-tree and its kernels there, as a Mermaid flowchart; the statements of a "
    "script are numbered.",
)
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="NAME=MxN[:DTYPE]",
    help="Shape of a tensor of the expression; float32 unless it says so.",
)
@click.option(
    "--dialect",
    type=click.Choice(DIALECTS),
    help="Language of the sources. [default: c; for a script that of its backend]",
)
@click.option("--force", is_flag=True, help="Replace files of --mermaid that exist.")
def show(
    subject: str,
    arguments: tuple[str, ...],
    source: bool,
    prelude: bool,
    mermaid: Path | None,
    shapes: tuple[str, ...],
    dialect: str | None,
    force: bool,
) -> None:
    """Show what kernels an expression becomes, or each statement of a script; or a checkpoint.

    In an expression `be` is the backend and other names are tensors, whose shapes --shape gives;
    nothing of it is executed. NAME = EXPRESSION assigns to a tensor; several, with ; between, are
    given together. A script is run as `python FILE [ARGUMENTS]` would run it (options for it come
    after --); its statements are shown in the order of their first run. Of a checkpoint, ours or
    neon's, it lists the layers and parameters.
    """
    if prelude and not source:
        raise click.UsageError("--prelude belongs to --source")
    if subject == "checkpoint" and len(arguments) == 1:
        subject, arguments = existing(arguments[0]), ()
    if not subject.endswith(".py") and is_checkpoint_file(subject):
        if arguments or shapes or source or mermaid is not None:
            raise click.UsageError("a checkpoint is shown without options")
        show_checkpoint(subject)
        return
    if subject.endswith(".py") or os.path.isfile(subject):
        if shapes:
            raise click.UsageError("--shape belongs to an expression; a script makes its tensors")
        if mermaid is not None:
            refuse_existing(_earlier(mermaid), force)
        _script(subject, arguments, Recorder(source, prelude, dialect), mermaid)
        return
    if arguments:
        raise click.UsageError(f"one expression, please; {arguments[0]!r} is too much")
    if mermaid is not None:
        refuse_existing([mermaid], force)
    explanation = _expression(subject, shapes, dialect or DIALECTS[0], source, prelude)
    click.echo(str(explanation))
    if mermaid is not None:
        write_text(mermaid, explanation.mermaid())


def _expression(
    text: str, shapes: tuple[str, ...], dialect: str, source: bool, prelude: bool
) -> Explanation:
    from neonport.cli.expression_reader import Reader

    backend = _renderer(dialect)
    tensors = dict(_tensor(backend, given) for given in shapes)
    try:
        statement = Reader(backend, tensors).read(text)
    except ConfigurationError as error:
        raise click.BadParameter(str(error), param_hint="EXPRESSION") from error
    found: Explanation = backend.explain(statement, source, prelude)
    return found


def _renderer(dialect: str) -> Any:
    """A backend that runs nothing and renders this language."""
    from neonport.plugins import registry

    backend = registry.create_backend("null")
    backend.dialect = dialect
    return backend


def _tensor(backend: Any, given: str) -> tuple[str, Any]:
    """A tensor from NAME=MxN[:DTYPE]."""
    name, _, rest = given.partition("=")
    sizes, _, kind = rest.partition(":")
    try:
        shape = tuple(int(n) for n in sizes.lower().split("x"))
        dtype = as_dtype(kind or "float32")
    except (ValueError, TypeError):
        shape = ()
    if not name.isidentifier() or name == "be" or not shape or min(shape) < 0:
        raise click.BadParameter(
            f"{given!r} must look like x=1000x1000 or x=64x1:int32", param_hint="--shape"
        )
    return name, backend.zeros(shape, dtype=dtype, name=name)


class Recorder:
    """Keeps what each new statement of a script does.

    Attributes:
        found: explanations in order of their first run; the same text is kept once.
        times: how many statements each of them stands for.
    """

    def __init__(self, source: bool, prelude: bool, dialect: str | None) -> None:
        self.source = source
        self.prelude = prelude
        self.renderer = _renderer(dialect) if dialect else None
        self.found: dict[str, Explanation] = {}
        self.times: Counter[str] = Counter()

    def __call__(self, backend: Any, pairs: list[tuple[Any, Any]]) -> None:
        """See a statement."""
        from neonport.compiler.explain.explanation import explain

        render = (self.renderer or backend).device.render_kernel
        if self.prelude:
            render = partial(render, prelude=True)
        explanation = explain(pairs, backend, render if self.source else None)
        text = str(explanation)
        self.found.setdefault(text, explanation)
        self.times[text] += 1


def _script(
    path: str, arguments: tuple[str, ...], recorder: Recorder, mermaid: Path | None
) -> None:
    """Run a script and show its statements, also when it ends with an error."""
    from neonport.engine.tracing import observing

    if not os.path.isfile(path):
        raise click.BadParameter(f"there is no file {path!r}", param_hint="FILE")
    before = sys.argv, list(sys.path)
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).resolve().parent))
    try:
        with observing(recorder):
            runpy.run_path(path, run_name="__main__")
    finally:
        sys.argv, sys.path[:] = before
        _report(recorder, path, mermaid)


def _numbered(place: Path, number: str) -> Path:
    return place.with_name(f"{place.stem}-{number}{place.suffix}")


def _earlier(place: Path) -> list[Path]:
    """Files of numbered statements that are there already."""
    start, _, end = _numbered(place, "\0").name.partition("\0")
    name = re.compile(re.escape(start) + r"\d{3,}" + re.escape(end))
    folder = place.parent
    found = sorted(os.listdir(folder)) if folder.is_dir() else []
    return [folder / entry for entry in found if name.fullmatch(entry)]


def _report(recorder: Recorder, path: str, mermaid: Path | None) -> None:
    for number, (text, explanation) in enumerate(recorder.found.items(), 1):
        times = recorder.times[text]
        again = f", {times} of its kind" if times > 1 else ""
        click.echo(f"{'' if number == 1 else chr(10)}---- statement {number}{again} ----")
        click.echo(text)
        if mermaid is not None:
            place = _numbered(mermaid, f"{number:03}")
            write_text(place, explanation.mermaid())
    kernels = sum(len(e.kernels) for e in recorder.found.values())
    calls = sum(len(e.calls) for e in recorder.found.values())
    click.echo(
        f"{path}: {len(recorder.found)} different statements, {kernels} kernels, {calls} calls",
        err=True,
    )
