"""Where units run: threads, processes, or the workers of a cluster."""
