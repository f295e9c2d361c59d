"""The random-feature score model: its law, training times, learning curves and outliers."""
