"""`neonport run`: a script of neon's, or an experiment in YAML, unchanged."""

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
    the script and in the modules of its folder. A file that ends in .yaml or .yml is an experiment:
    layers, cost, optimizer and data set by name; it can name nothing but classes of this library.
    """
    if script.endswith((".yaml", ".yml")):
        from neonport.util.experiment import run_experiment

        run_experiment(script, arguments)
        return
    from neonport.compat import run_script

    run_script(script, arguments)
