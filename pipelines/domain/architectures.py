"""Which architectures a tool can load, as its own registry of classes says."""

from dataclasses import dataclass

LLAMA_CPP = "llama.cpp"
TRANSFORMERS = "transformers"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolArchitectures:
    """The names that a tool has a class for (`LlamaForCausalLM`); `label` is the tool with its version."""

    tool: str
    label: str
    names: frozenset[str]

    def refusal(self, architecture: str) -> "ToolRefusal | None":
        """Return that the tool has no class for an architecture; None where it has one."""
        if architecture in self.names:
            return None
        return ToolRefusal(tool=self.tool, why=f"{self.label} has no {architecture}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRefusal:
    """Why a tool cannot load a checkpoint, in one sentence."""

    tool: str
    why: str
