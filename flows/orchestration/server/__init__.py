"""The Prefect server that flows talk to: one that is named, or a project's own."""
