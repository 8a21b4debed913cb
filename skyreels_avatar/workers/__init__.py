"""Who makes the windows of a shot, and where finished ones are kept."""
