"""Films: scripts in files, shots on one clock, pieces that are made once and joined."""
