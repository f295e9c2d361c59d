"""Pairs of networks on disjoint data: tasks, onsets, leans, random features beside."""
