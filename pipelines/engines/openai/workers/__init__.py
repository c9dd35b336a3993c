"""Child processes that ask a server."""
