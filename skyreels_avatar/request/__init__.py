"""Requests: shots, films, speakers and camera moves, parsed and validated."""
