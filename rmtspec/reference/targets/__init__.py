"""Networks that predict any mixture of noise and data, at any number of digits."""
