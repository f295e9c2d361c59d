"""Experiments on claims of the papers: one file a topic, all listed in `registry`."""
