"""Compiled searches on the real axis of the inverse maps."""
