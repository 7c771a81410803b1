"""Cases of layers, of small networks, and of whole trainings."""
