"""Callbacks that look into a network: histograms, pictures of maps, samples in the log."""
