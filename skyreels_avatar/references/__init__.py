"""Reference videos: the frames of a shot before its face is made to talk."""
