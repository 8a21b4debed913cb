"""Content credentials (C2PA): signed, written and verified."""
