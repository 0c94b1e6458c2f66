"""The sections of the config file, each described once (CONTRACT §3)."""
