"""A backend over Python's own memory; docs/tutorials/write-a-backend.md builds it."""
