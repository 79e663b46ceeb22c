"""Comparison of networks, task sets and ways to share: arms x seeds on the same faces, with figures that stand up."""
