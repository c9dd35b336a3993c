"""Quantized weights in safetensors folders: layouts, what their configuration says, what they hold."""
