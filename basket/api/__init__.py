"""The basket as JSON, one module for each group of routes."""
