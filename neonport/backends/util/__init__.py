"""neon's `backends.util`: what a script asks before it chooses a backend."""
