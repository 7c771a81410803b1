"""What users call on a backend, one family a file."""
