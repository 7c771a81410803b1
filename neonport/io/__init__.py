"""Files that cannot run code and are never half written."""
