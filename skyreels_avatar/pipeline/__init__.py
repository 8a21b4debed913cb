"""The one pass of a shot: plan, encode, denoise, decode, stitch."""
