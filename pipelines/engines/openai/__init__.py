"""Servers that speak OpenAI's interface: vLLM, SGLang, llama-server and others."""
