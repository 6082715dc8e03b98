"""The server's side of a request: the modules that travel with it."""
