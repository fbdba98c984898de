"""Hebbian networks: storage of patterns, learning from examples, several tasks at once."""
