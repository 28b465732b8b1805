"""Protocol-true simulators of instruments on loopback sockets, backed by the virtual world."""
