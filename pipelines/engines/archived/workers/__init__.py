"""Child processes in the archived packages' environment."""
