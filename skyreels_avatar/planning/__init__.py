"""The windows of a shot, its key frames, and how footage and sound get one length."""
