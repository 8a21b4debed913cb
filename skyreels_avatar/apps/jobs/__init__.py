"""A durable queue of jobs in a database, and the worker processes that do them."""
