"""Figures of the Hebbian family."""
