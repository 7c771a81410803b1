"""`neonport doctor`: what works here and why not, for people, for programs and for a report."""
