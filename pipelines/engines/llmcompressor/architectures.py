"""Architectures whose activations may be smoothed, by AWQ and by SmoothQuant.

Both divide a layer's output channels by scales and multiply them into the layers behind it, which changes
nothing only where llm-compressor 0.14 knows every layer behind (`AWQ_MAPPING_REGISTRY` and
`MAPPINGS_REGISTRY` in llmcompressor/modifiers/transform). For architectures it does not know it assumes
Llama's names. A row stands here when a small random checkpoint of that architecture computed the same after
smoothing, in float32 and to one part in a thousand. Not here: Olmo2 and Starcoder2 (no such layers); for
SmoothQuant, Olmo (norms without weights), Gemma2 and Gemma3 (it divides a norm that does not feed the layers
it multiplies: the model is destroyed, without a word).
"""

AWQ_ARCHITECTURES = frozenset(
    {
        "LlamaForCausalLM",
        "MistralForCausalLM",
        "Qwen2ForCausalLM",
        "Qwen3ForCausalLM",
        "GemmaForCausalLM",
        "Gemma2ForCausalLM",
        "Gemma3ForCausalLM",
        "Phi3ForCausalLM",
        "OlmoForCausalLM",
        "GraniteForCausalLM",
        "SmolLM3ForCausalLM",
        "StableLmForCausalLM",
    }
)

SMOOTHQUANT_ARCHITECTURES = AWQ_ARCHITECTURES - {
    "Gemma2ForCausalLM",
    "Gemma3ForCausalLM",
    "OlmoForCausalLM",
}
