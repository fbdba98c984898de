"""Studies of the scaling family."""
