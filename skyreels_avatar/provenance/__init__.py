"""Who made a video: content credentials, written and read."""
