"""Scaling laws: power-law random features, associative memories."""
