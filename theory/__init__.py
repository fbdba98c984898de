"""What happens as N goes to infinity: one file per model, families in folders of their own."""

if __name__ != "thermolimit.theory":  # a second copy of the module would be made
    raise ImportError("import thermolimit.theory, not theory")
