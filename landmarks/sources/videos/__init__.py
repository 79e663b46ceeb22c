"""Videos: their frames one at a time, decoded in a process of its own."""
