"""What stands behind `neonport.plugins.registry`: data, discovery, catalogue of names, messages."""
