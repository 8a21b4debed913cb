"""Programs around the package: a durable queue of jobs, a server, and what stands on them."""
