"""The daemon killed in the middle of its work."""
