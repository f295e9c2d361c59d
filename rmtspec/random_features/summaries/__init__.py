"""What a model and a training say of themselves, and over which times."""
