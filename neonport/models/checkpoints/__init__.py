"""Checkpoints of a model: what they hold, and how it is put back."""
