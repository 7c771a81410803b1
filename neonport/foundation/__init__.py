"""Small parts that every room may use: locks after a fork, bounded tables, lists of names."""
