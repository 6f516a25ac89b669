"""Choosing files."""
