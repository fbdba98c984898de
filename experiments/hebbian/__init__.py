"""Studies of the Hebbian family."""
