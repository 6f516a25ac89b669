"""What benchmarks and tests try on a basket: a page's floor, the naive ways of doing the same, writers at once."""
