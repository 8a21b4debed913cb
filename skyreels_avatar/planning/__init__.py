"""Which windows a shot is made of."""
