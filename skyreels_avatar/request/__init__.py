"""What a user asks for: shots, films, speakers and camera moves, parsed and checked."""
