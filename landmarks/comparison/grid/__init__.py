"""A grid: its arms, the file that declares them, and the reference of its keys."""
