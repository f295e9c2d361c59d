"""Measures of scores and of generated samples, and scores known exactly."""
