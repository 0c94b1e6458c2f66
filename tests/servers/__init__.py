"""Real mail servers for tests, each in a folder of its own, on loopback, ended by process id."""
