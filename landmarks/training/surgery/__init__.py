"""Weights made of weights, without training."""
