from dataclasses import replace
from pathlib import Path

import pytest

from quantgate.flows.build.planning.plans import make_plan
from quantgate.flows.build.preflight.all import refuse_refused
from quantgate.flows.settings import Settings
from quantgate.flows.wiring import Tools, servers_in_use, wire
from quantgate.pipelines.domain.errors import InputError, ToolchainError
from quantgate.pipelines.domain.recipe import Format, Recipe
from quantgate.pipelines.domain.server import Server
from quantgate.pipelines.domain.suites.suite import (
    DecodeSettings,
    GraderSpec,
    Item,
    Message,
    SliceSpec,
    Suite,
)
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.llamacpp.runtime import LlamaCppRuntime
from quantgate.pipelines.engines.openai.runtime import OpenAiServerRuntime
from quantgate.pipelines.engines.transformers.runtime import TransformersRuntime
from quantgate.pipelines.files.records import read_record, write_record
from quantgate.pipelines.process.runner import run_worker
from quantgate.pipelines.specs.builds import BuildOverrides, BuildSpec, load_build
from quantgate.pipelines.specs.kv_caches import over_kv_caches
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.specs.servers import judged_in
from tests.support.fakes import FakeBackend, FakeRuntime, fake_loading
from tests.support.models.checkpoints import write_checkpoint

GGUF = Server(
    name="desk",
    engine="llama-server",
    formats=(Format.GGUF,),
    command=("llama-server", "-m", "{model}", "--port", "{port}", "-ctk", "{kv}"),
    version="b1",
)
FOLDERS = Server(
    name="rack",
    engine="vllm",
    formats=(Format.COMPRESSED_TENSORS, Format.AWQ),
    url="http://rack:8000",
    version="0.26",
)
BUILD = """\
model: org/name
suite: suite
recipes: [Q8_0, FP8_DYNAMIC]
judge_in: desk
servers:
  desk:
    engine: llama-server
    formats: [gguf]
    command: >-
      bin/llama-server -m {model} --port {port} --flags '{"a": 1}'
  rack:
    engine: vllm
    formats: [compressed-tensors]
    url: http://rack:8000/v1/
    api_key_env: RACK_KEY
    concurrency: 32
    body: {top_k: 1}
"""


SUITE = """\
name: demo
version: 1
grader: {kind: exact}
decode: {max_tokens: 8}
slices: {easy: {}}
"""
ITEM = '{"id": "1", "prompt": "2+2?", "expected": "4", "slices": ["easy"]}\n'


def build(folder: Path, text: str = BUILD) -> BuildSpec:
    path = folder / "build.yaml"
    path.write_text(text)
    return load_build(path, BuildOverrides(), ())


def problem(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        build(folder, text)
    return str(caught.value)


def recipes(*names: str) -> tuple[Recipe, ...]:
    return find_recipes(names, Path())


def test_a_build_file_describes_servers(tmp_path: Path) -> None:
    spec = build(tmp_path)
    desk, rack = spec.servers
    assert spec.judge_in == ("desk",)
    assert desk.command == (
        str(tmp_path / "bin" / "llama-server"), "-m", "{model}", "--port", "{port}", "--flags",
        '{"a": 1}',
    )  # fmt: skip
    assert (desk.formats, desk.url, desk.concurrency) == ((Format.GGUF,), None, 8)
    assert (rack.url, rack.api_key_env, rack.concurrency) == ("http://rack:8000", "RACK_KEY", 32)
    assert (rack.command, rack.body) == ((), {"top_k": 1})


def test_a_program_without_a_slash_is_looked_for_on_the_path(tmp_path: Path) -> None:
    spec = build(tmp_path, BUILD.replace("bin/llama-server", "llama-server"))
    assert spec.servers[0].command[0] == "llama-server"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("    url: http://rack:8000/v1/\n", "", "give either command or url"),
        (
            "    url: http",
            "    command: x m{model} p{port}\n    url: http",
            "either command or url",
        ),
        ("{model}", "model", "command: {model} is missing"),
        ("{port}", "{prot}", "command: nothing is known as {prot}"),
        ("-m {model}", "-m '{model}", "command: No closing quotation"),
        ("[gguf]", "[gguf, awq]", "gguf stands alone"),
        ("[gguf]", "[ggml]", "formats"),
        ("{top_k: 1}", "{max_tokens: 1}", "body: max_tokens come from the suite"),
        ("concurrency: 32", "concurency: 32", "did you mean 'concurrency'"),
        ("concurrency: 32", "concurrency: 0", "concurrency"),
        ("concurrency: 32", "model_name: '{path}'", "model_name: nothing is known as {path}"),
        ("  rack:", "  transformers:", "'transformers' is a runtime's name already"),
        ("  rack:", "  the rack:", "'the rack' is not made of letters"),
        ("http://rack:8000/v1/", "rack:8000", "url"),
    ],
)
def test_what_is_wrong_with_a_server_is_told(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    assert before in BUILD
    assert told in problem(tmp_path, BUILD.replace(before, after, 1))


def test_fitting_recipes_are_judged_in_the_server_and_others_as_they_say() -> None:
    gguf, folder = judged_in(recipes("Q8_0", "FP8_DYNAMIC"), (GGUF, FOLDERS), ("desk",))
    assert (gguf.runtime, folder.runtime) == ("desk", "transformers")
    assert (gguf.name, gguf.options) == ("Q8_0", recipes("Q8_0")[0].options)
    both = judged_in(recipes("Q8_0", "FP8_DYNAMIC"), (GGUF, FOLDERS), ("rack", "desk"))
    assert [recipe.runtime for recipe in both] == ["desk", "rack"]
    assert judged_in(recipes("Q8_0"), (GGUF,), ()) == recipes("Q8_0")


def test_a_server_that_is_none_is_refused_with_what_is_near() -> None:
    with pytest.raises(InputError, match=r"no server 'dask', did you mean 'desk'|no server 'dask'"):
        judged_in(recipes("Q8_0"), (GGUF,), ("dask",))


def test_a_server_that_serves_none_of_the_formats_is_refused() -> None:
    with pytest.raises(InputError, match=r"rack serves compressed-tensors, awq, and the recipes"):
        judged_in(recipes("Q8_0", "Q2_K"), (GGUF, FOLDERS), ("rack",))


def test_a_cache_that_the_command_does_not_set_is_refused() -> None:
    reduced = over_kv_caches(recipes("Q8_0"), ("q8_0",))
    assert judged_in(reduced, (GGUF,), ("desk",))[0].runtime == "desk"
    unset = replace(GGUF, command=GGUF.command[:-2])
    with pytest.raises(InputError, match=r"has no \{kv\} to ask for a q8_0 cache"):
        judged_in(reduced, (unset,), ("desk",))


@pytest.mark.parametrize("name", ["q8", "Folder", "{Model}"])
def test_a_running_server_that_calls_all_models_alike_is_refused(name: str) -> None:
    recipes = find_recipes(("FP8_DYNAMIC",), Path())
    alike = replace(FOLDERS, model_name=name)
    with pytest.raises(InputError, match=f"the base and every variant '{name}'") as caught:
        judged_in(recipes, (alike,), ("rack",))
    assert "{folder}" in str(caught.value.next_step)
    assert judged_in((), (alike,), ("rack",)) == (), "the checkpoint on its own has one name"
    for told in ("{folder}", "/models/{model}"):
        assert judged_in(recipes, (replace(alike, model_name=told),), ("rack",))


def test_each_server_is_a_runtime_around_that_of_its_formats(tmp_path: Path) -> None:
    settings = Settings.from_environment({"QUANTGATE_STORE": str(tmp_path)})
    tools = wire(settings, (GGUF, FOLDERS))
    desk, rack = tools.runtimes["desk"], tools.runtimes["rack"]
    assert isinstance(desk, OpenAiServerRuntime)
    assert isinstance(rack, OpenAiServerRuntime)
    assert isinstance(desk.native, LlamaCppRuntime)
    assert isinstance(rack.native, TransformersRuntime)
    assert tools.servers == (GGUF, FOLDERS)


def test_servers_nobody_is_judged_in_are_not_looked_for(tmp_path: Path) -> None:
    spec = build(tmp_path, BUILD.replace("judge_in: desk\n", ""))
    assert servers_in_use(spec) == ()


def test_a_server_survives_being_kept_in_a_plan(tmp_path: Path) -> None:
    one = replace(FOLDERS, body={"chat": {"nested": [1, None]}})
    write_record(tmp_path / "server.json", one)
    assert read_record(Server, tmp_path / "server.json") == one


def here(folder: Path) -> Settings:
    return Settings.from_environment({"QUANTGATE_STORE": str(folder / "store")})


def wanted_build(folder: Path, *names: str) -> BuildSpec:
    if not (folder / "model").exists():
        write_checkpoint(folder / "model")
    suite = folder / "suite"
    suite.mkdir(exist_ok=True)
    (suite / "suite.yaml").write_text(SUITE)
    (suite / "items.jsonl").write_text(ITEM)
    return BuildSpec(
        name="demo",
        model=str(folder / "model"),
        suite=suite,
        corpora=(),
        policy=None,
        recipes=names,
        folder=folder,
    )


def tools() -> Tools:
    return Tools(
        backends={"llamacpp": FakeBackend(), "llmcompressor": FakeBackend()},
        runtimes={"llamacpp": FakeRuntime(), "transformers": FakeRuntime()},
        run_worker=run_worker,
        report_loading=fake_loading,
    )


def test_a_variant_judged_in_a_server_is_another_one_of_the_same_files(tmp_path: Path) -> None:
    server = GGUF
    plain = make_plan(
        wanted_build(tmp_path, "Q2_K", "FP8_DYNAMIC"), here(tmp_path), tools(), lambda _: None
    )
    wanted = replace(
        wanted_build(tmp_path, "Q2_K", "FP8_DYNAMIC"), servers=(server,), judge_in=("desk",)
    )
    wired = tools()
    wired = replace(wired, runtimes={**wired.runtimes, "desk": FakeRuntime()}, servers=(server,))
    planned = make_plan(wanted, here(tmp_path), wired, lambda _: None)
    assert planned.runtimes == ("desk", "transformers")
    assert planned.servers == (server,)
    assert planned.key != plain.key
    first, second = planned.variants[0], plain.variants[0]
    assert (first.identifier, first.files_key) == (second.identifier, second.files_key)
    assert first.key != second.key
    alone = make_plan(replace(wanted, recipes=()), here(tmp_path), wired, lambda _: None)
    assert alone.runtimes == ("desk",)


def test_a_servers_command_that_is_not_found_is_told_before_anything_is_done(
    tmp_path: Path,
) -> None:
    server = replace(GGUF, command=("no-such-server", "{model}", "{port}"))
    wanted = replace(wanted_build(tmp_path, "Q2_K"), servers=(server,), judge_in=("desk",))
    wired = tools()
    served = OpenAiServerRuntime(server, FakeRuntime())
    wired = replace(wired, runtimes={**wired.runtimes, "desk": served}, servers=(server,))
    with pytest.raises(ToolchainError, match=r"server desk is not found: no-such-server.*for Q2_K"):
        make_plan(wanted, here(tmp_path), wired, lambda _: None)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("url: http://me:pass@rack:8000", "url holds a user"),
        ("url: http://rack:8000/?token=x", "url holds a user"),
        ("body: {api_key: x}", "body: api_key holds a secret"),
        ("command: serve {model} {port} --api-key x", "command: --api-key holds a secret"),
        ("environment: {HF_TOKEN: x}", "environment: HF_TOKEN holds a secret"),
    ],
)
def test_what_is_kept_in_plans_holds_no_secret(tmp_path: Path, line: str, told: str) -> None:
    reached = "" if line.startswith(("url", "command")) else "    url: http://rack:8000\n"
    text = (
        "model: org/name\nsuite: suite\nrecipes: [Q8_0]\njudge_in: rack\nservers:\n  rack:\n"
        f"    engine: vllm\n    formats: [gguf]\n{reached}    {line}\n"
    )
    assert told in problem(tmp_path, text)


def test_an_engines_environment_is_stated_in_the_build_file(tmp_path: Path) -> None:
    text = BUILD.replace(
        "    formats: [gguf]\n", "    formats: [gguf]\n    environment: {GGML_X: '1'}\n"
    )
    desk, _ = build(tmp_path, text).servers
    assert desk.environment == {"GGML_X": "1"}
    plain = build(tmp_path, BUILD).servers[0]
    assert desk.settings_digest != plain.settings_digest


def test_what_an_engine_refuses_is_refused_while_planning(tmp_path: Path) -> None:
    item = Item(
        id="listed",
        messages=(Message(role="user", content="x"),),
        expected="x",
        slices=("easy",),
        decode=DecodeSettings(max_tokens=8, constrained=True),
        schema={"type": "array", "uniqueItems": True},
    )
    suite = Suite(
        name="demo",
        version=1,
        description="",
        folder=tmp_path,
        digest=digest_of("demo"),
        items=(item,),
        slices=(SliceSpec(name="easy", description=""),),
        grader=GraderSpec(kind="exact"),
        decode=DecodeSettings(max_tokens=8, stop=("a", "b", "c", "d", "e")),
    )
    tools = wire(here(tmp_path), (FOLDERS,))
    with pytest.raises(InputError, match="rack refuses `uniqueItems` in a JSON schema"):
        refuse_refused(suite, ("rack",), tools)
    stopped = replace(item, id="stopped", schema=None, decode=suite.decode)
    with pytest.raises(InputError, match=r"item 'stopped': rack refuses 5 stop texts"):
        refuse_refused(replace(suite, items=(stopped,)), ("rack",), tools)
    refuse_refused(replace(suite, items=(stopped,)), ("llamacpp",), tools)
