"""Training of networks that draw pixels: windows of footage, several GPUs, and what they take."""
