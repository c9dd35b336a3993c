"""Architectures this program builds: one reviewed table, no guessing.

A row stands here when llama.cpp's converter (llama-cpp-python 0.3.36) and transformers 5.17 both have the
class, it is a dense decoder whose weights are 2-D `Linear`s under `model.layers.<n>.`, and a small random
checkpoint of it went through llm-compressor's FP8_DYNAMIC and W4A16 and back into transformers. Mixtures of
experts are for llama.cpp's recipes alone: a small random one was converted, calibrated (every expert's counts
equal llama-imatrix's) and quantized.
"""

SUPPORTED_ARCHITECTURES = (
    "LlamaForCausalLM",
    "MistralForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen3ForCausalLM",
    "GemmaForCausalLM",
    "Gemma2ForCausalLM",
    "Gemma3ForCausalLM",
    "Phi3ForCausalLM",
    "OlmoForCausalLM",
    "Olmo2ForCausalLM",
    "GraniteForCausalLM",
    "SmolLM3ForCausalLM",
    "StableLmForCausalLM",
    "Starcoder2ForCausalLM",
    "MixtralForCausalLM",
)
