"""The `neonport` command; `main.py` holds the table of sub-commands."""
