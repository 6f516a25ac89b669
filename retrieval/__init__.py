"""Getting files."""
