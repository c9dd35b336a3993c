"""JSON schemas as grammars that llama.cpp binds answers to."""
