"""What callbacks recorded: where it is kept, and what it says of an epoch."""
