"""The code that travels with a version: it finds and checks files, reads conversations, and asks servers."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from quantgate.registry.mlflow.workers.conversations import conversations_of, opened
from quantgate.registry.mlflow.workers.files import variant_folder, verify
from quantgate.registry.mlflow.workers.model import _load_pyfunc
from quantgate.registry.mlflow.workers.servers import ServerAnswers
from tests.support.servers.openai_fake import FakeEngine, fake_server

DECODE = {"max_tokens": 8, "temperature": 0.0, "seed": 0, "stop": [], "template_variables": {}}


def manifest_of(folder: Path, **what: Any) -> dict[str, Any]:
    """Write a variant and return its manifest."""
    folder.mkdir(parents=True)
    (folder / "model.gguf").write_bytes(b"weights")
    file = {"path": "model.gguf", "size_bytes": 7, "sha256": sha256(b"weights").hexdigest()}
    (folder / "manifest.json").write_text(json.dumps({"files": [file]}))
    return {
        "location": str(folder),
        "place": "none",
        "artifact": "model.gguf",
        "files": [file],
        "facts": {"runtime_engine": "vllm", "runtime_version": "0.32"},
        "context_length_tokens": 512,
        "serve": "vllm serve FOLDER/model.gguf",
        "decode": {"support-desk": DECODE, "billing": DECODE | {"max_tokens": 2}},
        "suite": "support-desk",
        **what,
    }


def test_files_are_compared_and_named(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path / "variant")
    verify(tmp_path / "variant", manifest)
    (tmp_path / "variant" / "model.gguf").write_bytes(b"weighty")
    with pytest.raises(ValueError, match=r"model\.gguf: the file was altered"):
        verify(tmp_path / "variant", manifest)
    (tmp_path / "variant" / "model.gguf").unlink()
    with pytest.raises(FileNotFoundError, match="is missing"):
        verify(tmp_path / "variant", manifest)


def test_a_file_that_was_added_is_named(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path / "variant")
    (tmp_path / "variant" / "generation_config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"generation_config\.json: was added"):
        verify(tmp_path / "variant", manifest)


def test_files_are_those_of_the_store_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = manifest_of(tmp_path / "here" / "variants" / "v")
    elsewhere = {**manifest, "location": "/another/machine/variants/v"}
    with pytest.raises(FileNotFoundError, match="not on this machine; mount or copy the store"):
        variant_folder(elsewhere)
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "here"))
    assert variant_folder(elsewhere) == tmp_path / "here" / "variants" / "v"
    renamed = {**manifest, "location": "/another/machine/variants/built-under-another-name"}
    assert variant_folder(renamed) == tmp_path / "here" / "variants" / "v"
    other = {**elsewhere, "files": [{**manifest["files"][0], "sha256": "0" * 64}]}
    with pytest.raises(FileNotFoundError, match="not on this machine"):
        variant_folder(other)


def test_a_version_judged_in_a_server_is_answered_there_as_the_suite_asked(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest_of(tmp_path / "variant")))
    with pytest.raises(ValueError, match=r"judged in vllm.*vllm serve FOLDER/model.gguf"):
        _load_pyfunc(str(path))
    question = [{"messages": [{"role": "user", "content": "Hello"}]}]
    engine = FakeEngine()
    with fake_server(engine) as address:
        model = _load_pyfunc(str(path), {"server": f"{address}/v1", "server_model": "model"})
        (said,) = model.predict(question)
        model.predict(question, {"suite": "billing"})
        with pytest.raises(
            ValueError, match="not judged on 'nobody', but on support-desk, billing"
        ):
            model.predict(question, {"suite": "nobody"})
    assert said == "read 1 tokens"
    assert [request["max_tokens"] for request in engine.requests] == [8, 2]


def test_a_table_that_mlflow_made_is_read_like_what_the_caller_wrote() -> None:
    class Table:
        def to_dict(self, orient: str) -> list[dict[str, Any]]:
            message = {"role": "user", "content": "Hi", "name": None, "tool_calls": None}
            return [{"messages": [message], "tools": float("nan")}]

    written = {"messages": [{"role": "user", "content": "Hi"}]}
    read = [{"messages": [{"role": "user", "content": "Hi"}], "tools": None}]
    assert conversations_of(Table()) == read
    assert conversations_of([written]) == read
    assert conversations_of(written) == read


def test_arguments_of_calls_are_objects_for_templates_and_stay_as_they_are_elsewhere() -> None:
    call: dict[str, Any] = {
        "type": "function",
        "function": {"name": "cancel", "arguments": '{"order": 7}'},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    (given,) = opened([message])
    assert given["tool_calls"][0]["function"]["arguments"] == {"order": 7}
    assert call["function"]["arguments"] == '{"order": 7}'


def test_a_server_that_names_no_model_is_asked_for_its_first() -> None:
    engine = FakeEngine()
    with fake_server(engine) as address:
        answers = ServerAnswers("vllm", {"server": f"{address}/v1/"}, "")
        conversation = {"messages": [{"role": "user", "content": "Hi"}], "tools": None}
        assert answers.answer(conversation, DECODE)
