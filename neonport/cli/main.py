"""The `neonport` command: a table of sub-commands, each imported only when it is called."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from importlib import import_module

import click

from neonport import __version__, settings

COMMANDS = {
    "conformance": ("neonport.cli.conformance:conformance", "Test a backend, op by op."),
    "convert": ("neonport.cli.checkpoints:convert", "Write a checkpoint of neon's as safetensors."),
    "coverage": (
        "neonport.cli.coverage:coverage",
        "Show what a backend leaves to NumPy, and what to write next.",
    ),
    "doctor": ("neonport.cli.doctor.command:doctor", "Show which backends work here, and why not."),
    "new-backend": (
        "neonport.cli.new_backend.command:new_backend",
        "Write the package of a new backend, with its tests.",
    ),
    "plot": ("neonport.cli.plot:plot", "Draw what the callbacks of a training recorded."),
    "run": ("neonport.cli.run:run", "Run a script or a YAML experiment of neon's, unchanged."),
    "show": (
        "neonport.cli.show:show",
        "Show kernels of an expression or a script, or a checkpoint.",
    ),
    "train": ("neonport.cli.train:train", "Train a small network, to see that all works."),
}
"""Sub-command: where its click object lives, and its line in `neonport --help`."""


class LazyGroup(click.Group):
    """A group whose help imports no sub-command and whose call imports one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a sub-command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a sub-command, or say which name was perhaps meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            close = difflib.get_close_matches(name, COMMANDS, 1)
            guess = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {name!r}; {guess}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="neonport")
def cli() -> None:
    """Op-trees, autodiff and layers on the arrays you already have.

    NEONPORT_DEBUG=1 shows the traceback of an error.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: an error is one line on stderr and status 1.

    Args:
        arguments: what follows `neonport` on the command line; None reads `sys.argv`.
    """
    debug = False
    try:
        debug = settings.DEBUG.get()
        status = cli.main(args=arguments, prog_name="neonport", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _report("stopped", 130)
    except Exception as error:
        if debug:
            raise
        return _report(f"{_words(error)} (NEONPORT_DEBUG=1 shows where)", 1)
    return status if isinstance(status, int) else 0


def _words(error: Exception) -> str:
    """Return an error's message in one line, with its class where the message alone says little."""
    text = " ".join(str(error).split())
    kind = type(error).__name__
    if not text:
        return kind
    return text if type(error).__module__.startswith("neonport.") else f"{kind}: {text}"


def _report(text: str, status: int) -> int:
    """Write one line to stderr and return the exit status."""
    click.echo(f"neonport: {text}", err=True)
    return status
