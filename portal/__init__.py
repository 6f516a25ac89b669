"""The project, and finding observations."""
