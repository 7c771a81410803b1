"""`neonport new-backend`: the package of a new backend, with everything around it."""
