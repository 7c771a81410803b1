"""The command `neonport new-backend`."""

from __future__ import annotations

from pathlib import Path

import click

from neonport.cli.new_backend.package import LICENSES, write_package

FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command("new-backend", epilog="Example: neonport new-backend npu --license mit")
@click.argument("name")
@click.option(
    "--directory",
    default=".",
    type=FOLDER,
    help="Where the folder neonport-NAME is made; the current one by default.",
)
@click.option(
    "--license",
    "license_name",
    type=click.Choice(list(LICENSES)),
    default="apache-2.0",
    show_default=True,
    help="Of the new package.",
)
@click.option("--author", help="Who holds the copyright; the package's developers by default.")
def new_backend(name: str, directory: Path, license_name: str, author: str | None) -> None:
    """Write the package of a new backend: it stores tensors, NumPy computes.

    It has an entry point, tests that run the conformance suite, a workflow, a README and a licence.
    Nothing that exists is touched.
    """
    folder = write_package(name, directory, license_name, author)
    click.echo(f"wrote {folder}")
    click.echo("next:", err=True)
    for line in (
        f"cd {folder}",
        'pip install -e ".[test]"',
        "pytest",
        f"neonport conformance {name}",
    ):
        click.echo(f"  {line}", err=True)
    click.echo("docs/tutorials/write-a-backend.md says what makes it fast", err=True)
