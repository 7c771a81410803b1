"""What the host's processor can do: memory, threads, compiled C, matrix products."""
