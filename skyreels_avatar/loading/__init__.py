"""From the name of a tier to networks with their weights."""
