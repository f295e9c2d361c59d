"""Pictures, one kind a file: each function takes results and axes."""
