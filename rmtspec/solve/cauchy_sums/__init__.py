"""Sums over many poles in a number of terms that grows like the logarithm of theirs."""
