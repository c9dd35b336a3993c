"""HTTP to servers of models: bounded, retried, and read as what strangers say."""
