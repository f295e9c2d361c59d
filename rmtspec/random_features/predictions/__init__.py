"""What one asks of targets and data sets: skips, rankings, distances, memorised fractions."""
