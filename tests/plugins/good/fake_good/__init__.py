"""A plugin the way it should be: its hook module imports no backend."""
