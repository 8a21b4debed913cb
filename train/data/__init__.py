"""Training material: real clips, simulated clips, and the cache that serves windows of both."""
