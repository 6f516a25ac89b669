"""Pages of the basket, one module for each."""
