"""What stands behind `neonport.registry`: data, discovery, catalogue of names, messages."""
