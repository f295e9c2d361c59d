"""Losses of a training, from the law of the feature matrix: curves, rules, derivatives."""
