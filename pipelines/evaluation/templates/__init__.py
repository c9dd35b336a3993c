"""Chat templates, which are programs of others, rendered within bounds in a child process."""
