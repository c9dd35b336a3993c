"""What config.json says of a language model, in the words of the classes that read it."""
