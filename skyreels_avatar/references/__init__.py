"""Reference videos: what is seen where nobody talks."""
