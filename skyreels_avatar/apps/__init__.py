"""Doors beside the command line."""
