"""How backends are found: plugin discovery, names, probing, status messages."""
