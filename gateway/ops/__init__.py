"""What keeps a running gateway healthy: its log, its health, its housekeeping."""
