"""Bounds of right results, and second opinions on those that a backend gives."""
