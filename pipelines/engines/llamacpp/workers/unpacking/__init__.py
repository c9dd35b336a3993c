"""Child process that makes a checkpoint folder of a GGUF file."""
