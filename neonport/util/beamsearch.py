"""Neon's module path of beam search."""

from neonport.models.beam_search import BeamSearch as BeamSearch
