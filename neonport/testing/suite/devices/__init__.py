"""Cases of what a device does apart from ops: memory, exchange, recorded steps, faults, levels."""
