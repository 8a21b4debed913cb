"""A face for a voice while it is heard: sound goes in, frames and sound in step come out."""
