"""Child processes that load llama.cpp to look at a model or to ask it."""
