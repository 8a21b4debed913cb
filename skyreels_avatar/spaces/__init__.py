"""Latent spaces: how a shot is put into one and taken out of it."""
