"""Random features of several types, on data of several classes, at several noise levels."""
