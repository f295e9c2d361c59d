"""Images and digits: theory on data that nobody sampled from a Gaussian."""
