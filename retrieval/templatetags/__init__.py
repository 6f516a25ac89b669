"""Template tags of the downloads."""
