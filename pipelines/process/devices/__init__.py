"""What heavy work is computed on: GPUs as the driver tells of them, which are used, and who has which."""
