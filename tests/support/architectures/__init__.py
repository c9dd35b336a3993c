"""Small random checkpoints of every causal architecture that llama.cpp and transformers both know."""
