"""What `neonport doctor` says about the C compiler."""

from __future__ import annotations

import warnings

from neonport.backends.host.jit.choice import find_compiler
from neonport.backends.host.jit.launcher import shared_jit, why_numpy
from neonport.backends.host.jit.processes import EndedError, Processes, TimeLimitError
from neonport.io.cache_dir import cache_dir

VERSION_SECONDS = 10.0


def compiler_report() -> str:
    """Return one line: path, version, flags, the folder of compiled code, and what runs.

    The runtime of the kernels is compiled for it, if it is not in the cache; so the line says what
    a statement would find.
    """
    choice = find_compiler()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the line says it
        jit = shared_jit()
    if jit is None:
        words = " ".join(choice.command) or "none"
        return f"{words}; NumPy runs: {why_numpy()}"
    compiler = jit.compiler
    flags = " ".join(compiler.flags)
    return (
        f"{' '.join(compiler.command)} ({_version(compiler.command)}); flags: {flags}; "
        f"code in {cache_dir() / 'jit'}; compiled kernels run"
    )


def _version(command: tuple[str, ...]) -> str:
    """Return the first line of what the compiler says of itself."""
    try:
        status, said = Processes().run([*command, "--version"], VERSION_SECONDS)
    except (OSError, TimeLimitError, EndedError):
        return "version unknown"
    first = next((line.strip() for line in said.splitlines() if line.strip()), "")
    return first if first and status == 0 else "version unknown"
