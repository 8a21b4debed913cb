"""Workers that make the windows of shots, and the folders that keep finished ones."""
