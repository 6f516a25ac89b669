"""Download scripts against one of MAST's documented shape, on a line of 150 ms and 20 MB/s for each connection."""
