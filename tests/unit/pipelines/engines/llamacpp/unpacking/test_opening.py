"""A GGUF file is made into a checkpoint folder once, or refused in a sentence before anything starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from quantgate.pipelines.checkpoints.tools import OpenedGguf
from quantgate.pipelines.domain.errors import CheckpointError, ToolchainError
from quantgate.pipelines.engines.llamacpp.unpacking.messages import UnpackCall, UnpackedFacts
from quantgate.pipelines.engines.llamacpp.unpacking.opening import GgufOpener
from quantgate.pipelines.files.sealed import is_sealed
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.process.calls import (
    OnProgress,
    Reply,
    WorkerCall,
    WorkerReply,
    ignore_progress,
)
from tests.support.llamacpp.gguf_writing import Shapes, Value, write_gguf, write_parts

_KEYS: Mapping[str, Value] = {"general.architecture": "llama", "general.file_type": 1}
_F16: Shapes = {"token_embd.weight": ("F16", (8, 64)), "blk.0.ffn_up.weight": ("F16", (16, 64))}
_Q4: Shapes = {"token_embd.weight": ("Q8_0", (8, 64)), "blk.0.ffn_up.weight": ("Q4_1", (16, 64))}


@dataclass
class Unpacker:
    """A worker that leaves one file and counts how often it was asked."""

    calls: list[UnpackCall] = field(default_factory=list)

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        assert isinstance(call.request, UnpackCall)
        self.calls.append(call.request)
        (call.request.output / "config.json").write_text("{}")
        facts = UnpackedFacts(architecture="LlamaForCausalLM", tensors=2, notes=("a key is odd",))
        assert isinstance(facts, reply_type)
        return WorkerReply(value=facts, seconds=1.0, peak_memory_bytes=1)


@pytest.fixture
def converter(tmp_path: Path) -> Path:
    folder = tmp_path / "converter/gguf-py/gguf"
    folder.mkdir(parents=True)
    (folder / "tensor_mapping.py").write_text("")
    return tmp_path / "converter"


def opened(
    file: Path, converter: Path, unpacker: Unpacker, expansion: str | None = None
) -> OpenedGguf:
    store = Store(root=file.parent / "store")
    return GgufOpener(converter, unpacker).open(file, expansion, store, ignore_progress)


def test_a_full_precision_file_is_made_once_and_says_where_it_came_from(
    tmp_path: Path, converter: Path
) -> None:
    file, unpacker = write_gguf(tmp_path / "demo-f16.gguf", _KEYS, _F16), Unpacker()
    first = opened(file, converter, unpacker)
    assert opened(file, converter, unpacker) == first
    assert len(unpacker.calls) == 1
    assert is_sealed(first.folder)
    assert (first.name, first.notes) == ("demo-f16", ("a key is odd",))
    assert (first.origin.file, first.origin.file_type) == (file, "F16")
    assert not first.origin.is_expanded


def test_another_file_under_the_same_name_is_another_checkpoint(
    tmp_path: Path, converter: Path
) -> None:
    file, unpacker = write_gguf(tmp_path / "demo.gguf", _KEYS, _F16), Unpacker()
    first = opened(file, converter, unpacker)
    write_gguf(file, {**_KEYS, "general.name": "other"}, _F16)
    assert opened(file, converter, unpacker).folder != first.folder


def test_a_low_bit_file_needs_a_reason_and_keeps_it(tmp_path: Path, converter: Path) -> None:
    file, unpacker = write_gguf(tmp_path / "demo.gguf", _KEYS, _Q4), Unpacker()
    with pytest.raises(CheckpointError, match=r"is low-bit already \(Q4_1\)") as refusal:
        opened(file, converter, unpacker)
    assert "--expand REASON" in str(refusal.value.next_step)
    assert not unpacker.calls
    origin = opened(file, converter, unpacker, "nothing wider is published").origin
    assert str(origin) == "expanded from Q4_1 (nothing wider is published)"


def test_a_reason_changes_nothing_where_nothing_is_expanded(
    tmp_path: Path, converter: Path
) -> None:
    file = write_gguf(tmp_path / "demo.gguf", _KEYS, _F16)
    assert not opened(file, converter, Unpacker(), "just in case").origin.is_expanded


def test_a_file_type_is_believed_where_the_tensors_are_of_it(
    tmp_path: Path, converter: Path
) -> None:
    mixed: Shapes = {
        "blk.0.ffn_up.weight": ("Q4_K", (16, 256)), "blk.0.ffn_down.weight": ("Q6_K", (8, 256)),
    }  # fmt: skip
    named = write_gguf(tmp_path / "a.gguf", {**_KEYS, "general.file_type": 15}, mixed)
    assert opened(named, converter, Unpacker(), "why").origin.file_type == "Q4_K_M"
    lying = write_gguf(tmp_path / "b.gguf", {**_KEYS, "general.file_type": 7}, mixed)
    assert opened(lying, converter, Unpacker(), "why").origin.file_type == "Q4_K"


def test_a_model_in_parts_is_one_checkpoint_whichever_part_is_named(
    tmp_path: Path, converter: Path
) -> None:
    parts, unpacker = write_parts(tmp_path, "demo", _KEYS, _F16, 2), Unpacker()
    first, second = (opened(part, converter, unpacker) for part in parts)
    assert first == second
    assert (first.name, first.origin.file) == ("demo", parts[0])
    assert [call.source for call in unpacker.calls] == [parts[0]]
    parts[1].unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        opened(parts[0], converter, unpacker)


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("mmproj", "the projector of a multimodal model"),
        ("adapter", "is an adapter"),
        ("imatrix", "is an importance matrix"),
        ("control_vector", "'control_vector'"),
    ],
)
def test_what_is_no_model_is_refused_by_its_kind(
    tmp_path: Path, converter: Path, kind: str, what: str
) -> None:
    file = write_gguf(tmp_path / "demo.gguf", {**_KEYS, "general.type": kind}, _F16)
    with pytest.raises(CheckpointError, match=what):
        opened(file, converter, Unpacker())


def test_a_vocabulary_and_an_unknown_architecture_are_refused(
    tmp_path: Path, converter: Path
) -> None:
    empty = write_gguf(tmp_path / "vocab.gguf", _KEYS, {})
    with pytest.raises(CheckpointError, match="a vocabulary and no weights"):
        opened(empty, converter, Unpacker())
    other = write_gguf(tmp_path / "x.gguf", {"general.architecture": "rwkv7"}, _F16)
    with pytest.raises(CheckpointError, match="architecture 'rwkv7'"):
        opened(other, converter, Unpacker())


@pytest.mark.parametrize(
    ("cut", "what"), [(2, "does not begin as a GGUF"), (40, "damaged"), (-9, "is truncated")]
)
def test_a_file_that_is_cut_off_is_refused(
    tmp_path: Path, converter: Path, cut: int, what: str
) -> None:
    file = write_gguf(tmp_path / "demo.gguf", _KEYS, _F16)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=what):
        opened(file, converter, Unpacker())


def test_without_llama_cpp_s_package_the_command_that_fetches_it_is_named(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "demo.gguf", _KEYS, _F16)
    with pytest.raises(ToolchainError) as refusal:
        opened(file, tmp_path / "nowhere", Unpacker())
    assert "make setup" in str(refusal.value)
