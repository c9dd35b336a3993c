"""AutoAWQ and AutoGPTQ, which are no longer developed, in an environment of their own."""
