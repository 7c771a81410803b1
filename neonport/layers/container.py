"""Neon's module path of the containers; each lives in a file of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neonport.foundation.absent import absent_names
from neonport.layers.deltas import DeltasTree as DeltasTree
from neonport.layers.layer_container import LayerContainer as LayerContainer
from neonport.layers.sequential import Sequential as Sequential

if not TYPE_CHECKING:
    __getattr__ = absent_names(__name__)
