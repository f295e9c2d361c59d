"""Newton's method in logarithms."""
