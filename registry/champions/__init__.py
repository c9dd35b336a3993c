"""Which version a suite's alias points at: chosen from what the registry holds, moved with a reason."""
