"""Filters find out facts about a message; they never decide and never write."""
