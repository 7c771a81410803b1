"""Its hook raises."""

from neonport.hookspecs import hookimpl


@hookimpl
def register_backends():
    """Always fails."""
    raise ZeroDivisionError("the hook divided by zero")
