"""Correcting a run: a page that shows its faces, and what comes back from other tools."""
