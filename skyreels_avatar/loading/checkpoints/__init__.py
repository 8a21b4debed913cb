"""Weights on disk: our own files, and (by their keys) the public formats."""
