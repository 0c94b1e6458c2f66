"""The whole daemon as a process of its own, between real peers and against real faults."""
