"""Faces in pictures and videos: where they are, whose is meant, what belongs to the person."""
