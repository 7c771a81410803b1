"""What the functions of the namespace are made of: arrays, devices, dtypes, one way to run."""
