"""Latent spaces: encode and decode the windows of a shot."""
