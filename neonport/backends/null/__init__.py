"""A backend that renders every language and runs nothing."""
