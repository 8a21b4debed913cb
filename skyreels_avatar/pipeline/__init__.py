"""The steps of a shot, a file each: read, load, open, encode, denoise, decode, stitch, run."""
