"""Broken configs and rules files, each with the message it must give."""
