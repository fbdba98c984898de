"""Placeholder."""

if __name__ != "thermolimit.figures":  # a second copy of the module would be made
    raise ImportError("import thermolimit.figures, not figures")
