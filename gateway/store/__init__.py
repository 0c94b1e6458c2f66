"""The database: tables, the committer, and queries by subject."""
