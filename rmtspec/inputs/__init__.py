"""What the user knows: data covariance, data set, nonlinearity and noise level."""
