"""The command `sekisho`: a file a verb."""
