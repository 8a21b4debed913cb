"""Faces with known landmarks, for the mesh of turned and drawn faces."""
