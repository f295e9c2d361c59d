"""Commands of structured score networks."""
