"""What the user named becomes a checkpoint that was looked into, or a sentence why not."""
