"""Which architectures llama.cpp's rules ask for by name, read from its source and its converter's."""

import ast
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.flows.settings import Settings
from quantgate.flows.wiring import wire
from quantgate.pipelines.domain.architectures import LLAMA_CPP
from quantgate.pipelines.engines.llamacpp.types.expected import ASKED_FOR_BY_NAME
from quantgate.pipelines.engines.llamacpp.types.facts import GgufModel
from quantgate.pipelines.engines.llamacpp.types.tensor_names import FALCON, GLM5_NEXT

pytestmark = pytest.mark.integration

WITHOUT_A_RULE_HERE = "bailingmoe3"
"""What llama.cpp asks of it concerns MXFP4_MOE, which no recipe is."""


def spelled(constant: str) -> str:
    """Return a GGUF's name for a constant of llama.cpp; theirs differ in nothing else for these."""
    return constant.lower().replace("_", "-")


@pytest.fixture(scope="module")
def source() -> dict[str, str]:
    """Return llama.cpp's own files by name, as the pinned package brings them."""
    package = Settings.from_environment().tool_cache / "llama-cpp-python-0.3.36"
    with tarfile.open(package / "source.tar.gz") as archive:
        files = {
            member.name.partition("/llama.cpp/src/")[2]: archive.extractfile(member)
            for member in archive
            if "/llama.cpp/src/" in member.name and member.name.endswith(".cpp")
        }
        return {name: file.read().decode() for name, file in files.items() if file is not None}


@pytest.fixture(scope="module")
def converted() -> set[tuple[str, str]]:
    """Return every class that the converter registers with llama.cpp's name for it, or its projector's."""
    converter = Settings.from_environment().tool_cache / "llama-cpp-python-0.3.36" / "converter"
    modules = [ast.parse(file.read_text()) for file in (converter / "conversion").glob("*.py")]
    classes = {
        each.name: each
        for module in modules
        for each in module.body
        if isinstance(each, ast.ClassDef)
    }
    return {
        (name, spelled(architecture(each, classes) or ""))
        for each in classes.values()
        for name in registered(each)
    }


def registered(converter: ast.ClassDef) -> Iterator[str]:
    for decorator in converter.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(".register"):
            yield from (ast.literal_eval(argument) for argument in decorator.args)


def architecture(converter: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> str | None:
    """Return the constant that a class or its nearest ancestor names."""
    for line in map(ast.unparse, converter.body):
        if named := re.match(r"model_arch\b.*= gguf\.MODEL_ARCH\.(\w+)$", line):
            return named[1]
    ancestors = (classes.get(ast.unparse(base).rpartition(".")[2]) for base in converter.bases)
    named_above = (architecture(each, classes) for each in ancestors if each is not None)
    return next((each for each in named_above if each), None)


def test_rules_ask_for_no_other_architecture(source: dict[str, str]) -> None:
    asked = re.findall(r"LLM_ARCH_(\w+)", source["llama-quant.cpp"])
    pruned_alone = {"llama", "unknown"}
    assert {spelled(name) for name in asked} - pruned_alone == {
        FALCON,
        GLM5_NEXT,
        WITHOUT_A_RULE_HERE,
    }


def test_the_same_models_are_taken_for_seventy_billion_weights(source: dict[str, str]) -> None:
    found = {
        (Path(name).stem, int(layers))
        for name, text in source.items()
        if name.startswith("models/")
        for layers in re.findall(r"case (\d+): .*LLM_TYPE_70B", text)
    }
    assert found == {("llama", 80), ("qwen2", 80), ("olmo", 80), ("deci", 80), ("jais2", 68)}
    assert all(
        GgufModel(layers=layers, heads=64, kv_heads=8, architecture=name).is_70b
        for name, layers in found
    )
    assert not GgufModel(layers=80, heads=64, kv_heads=64, architecture="llama").is_70b
    assert not GgufModel(layers=80, heads=64, kv_heads=8, architecture="qwen3").is_70b


def test_every_class_whose_architecture_a_rule_asks_for_is_known(
    converted: set[tuple[str, str]],
) -> None:
    asked = {FALCON, GLM5_NEXT, "llama", "qwen2", "olmo", "deci", "jais2"}
    tools = wire(Settings.from_environment()).architectures
    converter = next(tool for tool in tools if tool.tool == LLAMA_CPP)
    assert converter.names <= {name for name, _ in converted}
    assert {
        name: called for name, called in converted if called in asked and name in converter.names
    } == ASKED_FOR_BY_NAME
