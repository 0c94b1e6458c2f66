"""Real servers, real files, real sockets on loopback."""
