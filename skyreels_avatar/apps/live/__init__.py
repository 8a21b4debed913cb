"""Live streaming to others: a clock, viewers, a page over WebRTC, broadcasts, voice agents."""
