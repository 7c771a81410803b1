"""Rows of arrays: their order in shuffled passes, those that are held out, those that count."""
