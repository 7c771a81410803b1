"""Containers with several paths; `neonport.layers.container` is their public list."""
