"""Random features of several types on classes of data and noise levels."""
