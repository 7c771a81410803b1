"""Things for neonport that are no backend: ops, a layer, a data set, a callback, an optimizer."""
