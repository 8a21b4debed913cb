"""Simulated clips: synthetic speech, articulation, performance, captions."""
