"""`neonport run`: a script of neon's, unchanged."""

from __future__ import annotations

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    epilog="Example: neonport run train.py -b cpu -e 10",
)
@click.argument("script", type=click.Path(exists=True, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(script: str, arguments: tuple[str, ...]) -> None:
    """Run SCRIPT, which was written for neon, with its ARGUMENTS.

    `import neon` means neonport in it, and names that Python and NumPy have dropped since work, in
    the script and in the modules of its folder.
    """
    from neonport.compat import run_script

    run_script(script, arguments)
