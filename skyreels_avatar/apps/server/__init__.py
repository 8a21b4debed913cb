"""The HTTP server in front of the queue of jobs."""
