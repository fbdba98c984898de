"""Figures of the scaling family."""
