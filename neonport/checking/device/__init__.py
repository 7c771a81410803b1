"""What a device promises besides right results: memory that is shared, and errors that tell."""
