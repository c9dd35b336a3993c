"""llama.cpp: converting, quantizing, answering, and its tables of types and names."""
