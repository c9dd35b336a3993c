"""The identity of our own code: every module that takes part is in it, and no other."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quantgate.flows.build.identity import JUDGING, build_digest, judging_digest
from quantgate.pipelines.audit.bench.identity import (
    AUDIT,
    AUDITING,
    BASE_DIVERGENCE,
    CAUSES,
    COMPARING,
    FINDING_CAUSES,
)
from quantgate.pipelines.files.sources import ROOT, Sources, reached, source_digest
from tests.support.project import copy_houses
from tests.unit.flows.build.planning.test_plans import plan, spec

ENGINES = "quantgate.pipelines.engines"
KEYS = {
    "answers of llama.cpp": (f"{ENGINES}.llamacpp.workers.answer",),
    "answers of transformers": (f"{ENGINES}.transformers.workers.answer",),
    "conversion": (f"{ENGINES}.llamacpp.workers.building.convert",),
    "matrix": (f"{ENGINES}.llamacpp.workers.building.imatrix",),
    "compressed folders": (f"{ENGINES}.llmcompressor.workers.compress",),
    "audit": AUDIT,
    "base divergence": BASE_DIVERGENCE,
    "judging": JUDGING,
    "corpus": ("quantgate.calibration.shelf.assemble",),
    "tokens of a corpus": ("quantgate.calibration.drawing.rendering",),
    "drift": ("quantgate.calibration.drift.sealing",),
    "code": ("quantgate.pipelines.evaluation.workers.code_observe",),
    "loops": ("quantgate.pipelines.evaluation.loops.waves",),
    "servers": (f"{ENGINES}.openai.workers.answer", f"{ENGINES}.openai.started_servers"),
}
EDITS = {
    f"{ENGINES}.llamacpp.workers.probe": {"audit"},
    f"{ENGINES}.transformers.workers.probe": {"audit"},
    f"{ENGINES}.binding.closed": {"answers of llama.cpp", "answers of transformers"},
    "quantgate.calibration.drawing.mixing": {"corpus", "drift"},
    "quantgate.calibration.workers.recognizers": {"corpus"},
    "quantgate.pipelines.evaluation.sandbox.judged.values": {"code", "judging", "loops"},
    "quantgate.pipelines.evaluation.graders.text.choice_words": {"judging", "loops"},
    "quantgate.pipelines.evaluation.loops.tools": {"loops", "judging"},
    "quantgate.pipelines.domain.errors": set(),
    "quantgate.pipelines.report.page.rendering": set(),
    "quantgate.flows.cli.main": set(),
}
"""What an edit of each changes, nothing else of the above."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("checkout")
    copy_houses(root)
    return root


@pytest.fixture(scope="module")
def before(checkout: Path) -> dict[str, str]:
    return digests(checkout)


def digests(root: Path) -> dict[str, str]:
    sources = Sources(root=root, memory=root / "sources.json")
    return {name: sources.digest(modules) for name, modules in KEYS.items()}


@pytest.mark.parametrize("module", EDITS)
def test_an_edit_changes_the_keys_that_reach_it_and_no_others(
    module: str, checkout: Path, before: dict[str, str]
) -> None:
    file = checkout.joinpath(*module.split(".")[1:]).with_suffix(".py")
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}\n# another", encoding="utf-8")
    after = digests(checkout)
    file.write_text(text, encoding="utf-8")
    assert {name for name in KEYS if after[name] != before[name]} == EDITS[module]
    assert digests(checkout) == before


@pytest.mark.parametrize(
    ("key", "module"),
    [
        ("drift", "quantgate.calibration.drift.permutation"),
        ("drift", "quantgate.pipelines.specs.chat_messages"),
        ("drift", "quantgate.pipelines.paired.family"),
        ("corpus", "quantgate.pipelines.evaluation.chat"),
        ("conversion", "quantgate.pipelines.formats.tokenizers.chat_templates"),
        ("matrix", f"{ENGINES}.llamacpp.workers.opening"),
        ("answers of llama.cpp", f"{ENGINES}.llamacpp.workers.opening"),
        ("answers of llama.cpp", "quantgate.pipelines.process.harness"),
        ("code", "quantgate.pipelines.evaluation.sandbox.inside"),
        ("judging", "quantgate.pipelines.evaluation.workers.judge_observe"),
        ("judging", "quantgate.pipelines.engines.http.client"),
        ("judging", "quantgate.pipelines.domain.verdicts.verdict"),
    ],
)
def test_what_lists_kept_by_hand_had_forgotten_or_had_to_name_is_reached(
    key: str, module: str
) -> None:
    assert module in reached(*KEYS[key])


NOT_SEALED = {
    "quantgate.pipelines.audit.bench.identity",
    "quantgate.pipelines.evaluation.loops.checks",
    *(
        f"quantgate.pipelines.evaluation.logs.{name}"
        for name in ("answers", "inspect_log", "lines", "lm_eval", "plain", "promptfoo", "reading")
    ),
    "quantgate.pipelines.evaluation.transformers_reading",
    "quantgate.pipelines.evaluation.workers.lm_eval_export",
    "quantgate.pipelines.evaluation.workers.transformers_reading",
    "quantgate.pipelines.gates.prospects",
    "quantgate.pipelines.gates.searching",
}
"""What says something while planning, searching, checking or reading others' logs: nothing keeps it, or it is
kept under a key of its own."""


def modules(folder: str) -> Iterator[str]:
    for path in (ROOT / "pipelines" / folder).rglob("*.py"):
        if path.stem != "__init__":
            yield ".".join(("quantgate", *path.relative_to(ROOT).with_suffix("").parts))


@pytest.mark.parametrize("folder", ["audit", "evaluation", "paired", "gates"])
def test_no_module_that_judges_is_out_of_reach(folder: str) -> None:
    judging = reached(*JUDGING, *AUDIT, *BASE_DIVERGENCE, *CAUSES)
    alone = {*AUDITING, *COMPARING, *FINDING_CAUSES}
    assert set(modules(folder)) - judging - alone <= NOT_SEALED


def test_a_build_is_not_finished_any_more_once_its_code_would_say_something_else(
    tmp_path: Path,
) -> None:
    made = plan(tmp_path, spec(tmp_path, "Q8_0"))
    assert made.contracts[-1] == build_digest()
    assert build_digest() != judging_digest()


def sources_of(root: Path, memory: Path | None = None) -> Sources:
    return Sources(root=root, memory=memory)


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / "pipelines" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_counts_as_reached(tmp_path: Path) -> None:
    write(
        tmp_path,
        __init__="",
        entry="""
from typing import TYPE_CHECKING
import json
import quantgate.pipelines.plain
from quantgate.pipelines import member
from quantgate.pipelines.named import Thing
if TYPE_CHECKING:
    from quantgate.pipelines.types_only import Type
else:
    from quantgate.pipelines.otherwise import Type
_ROOM: str = "quantgate.pipelines"
WORKER = f"{_ROOM}.worker"
OTHER = "quantgate.pipelines.told"
TEXT = "see quantgate.pipelines.mentioned for more"
def later():
    from quantgate.pipelines.late import late
""",
        plain="", member="from quantgate.pipelines.deep import x", named="Thing = 1", types_only="",
        otherwise="Type = 1", worker="", told="", mentioned="", late="late = 1", deep="x = 1", unrelated="",
    )  # fmt: skip
    found = {
        name.removeprefix("quantgate.pipelines.")
        for name in sources_of(tmp_path).reached(["quantgate.pipelines.entry"])
    }
    assert found == {
        "quantgate.pipelines", "entry", "plain", "member", "named", "otherwise", "worker", "told", "late",
        "deep",
    }  # fmt: skip


def test_files_of_data_beside_a_module_are_part_of_it(tmp_path: Path) -> None:
    write(tmp_path, __init__="", entry='WORDS = Path(__file__).with_name("words.yaml")')
    memory, words = tmp_path / "sources.json", tmp_path / "pipelines" / "words.yaml"
    entry = ["quantgate.pipelines.entry"]
    without = sources_of(tmp_path, memory).digest(entry)
    assert sources_of(tmp_path, memory).digest(entry) == without
    words.write_text("a")
    first = sources_of(tmp_path).digest(entry)
    words.write_text("a b")
    assert len({without, first, sources_of(tmp_path).digest(entry)}) == 3


def test_data_that_changed_is_read_again_and_what_did_not_is_not(tmp_path: Path) -> None:
    write(tmp_path, __init__="", entry='WORDS = Path(__file__).with_name("words.yaml")')
    memory, words = tmp_path / "sources.json", tmp_path / "pipelines" / "words.yaml"
    entry = ["quantgate.pipelines.entry"]
    words.write_text("a")
    first = sources_of(tmp_path, memory).digest(entry)
    assert sources_of(tmp_path, memory).digest(entry) == first
    words.write_text("a b")
    second = sources_of(tmp_path, memory).digest(entry)
    assert second != first
    words.unlink()
    assert sources_of(tmp_path, memory).digest(entry) not in (first, second)


def test_a_module_that_stands_alone_counts_without_what_it_reaches(tmp_path: Path) -> None:
    write(tmp_path, __init__="", a="", alone="import quantgate.pipelines.far", far="")
    first = sources_of(tmp_path).digest(["quantgate.pipelines.a"], ["quantgate.pipelines.alone"])
    write(tmp_path, far="x = 1")
    assert (
        sources_of(tmp_path).digest(["quantgate.pipelines.a"], ["quantgate.pipelines.alone"])
        == first
    )
    write(tmp_path, alone="import quantgate.pipelines.far  # too")
    assert (
        sources_of(tmp_path).digest(["quantgate.pipelines.a"], ["quantgate.pipelines.alone"])
        != first
    )


@pytest.mark.parametrize(
    "damage", ["", "[]", "{", '{"version": 1}', '{"version": 99, "modules": {}}']
)
def test_a_damaged_memory_costs_time_and_nothing_else(tmp_path: Path, damage: str) -> None:
    write(tmp_path, __init__="", entry="import quantgate.pipelines.other", other="")
    memory = tmp_path / "memory" / "sources.json"
    whole = sources_of(tmp_path, memory).digest(["quantgate.pipelines.entry"])
    assert json.loads(memory.read_text())["modules"]["quantgate.pipelines.entry"]["names"] == [
        "quantgate.pipelines",
        "quantgate.pipelines.other",
    ]
    memory.write_text(damage)
    assert sources_of(tmp_path, memory).digest(["quantgate.pipelines.entry"]) == whole


@pytest.mark.parametrize(
    "entry", [5, {}, {"files": {}}, {"files": 3, "sha256": "a", "names": []}, ["a"]]
)
def test_a_damaged_entry_of_the_memory_is_none(tmp_path: Path, entry: object) -> None:
    write(tmp_path, __init__="", entry="import quantgate.pipelines.other", other="")
    memory = tmp_path / "sources.json"
    whole = sources_of(tmp_path, memory).digest(["quantgate.pipelines.entry"])
    kept = json.loads(memory.read_text())
    memory.write_text(json.dumps(kept | {"modules": {"quantgate.pipelines.entry": entry}}))
    assert sources_of(tmp_path, memory).digest(["quantgate.pipelines.entry"]) == whole


def test_threads_that_ask_at_once_get_the_same(tmp_path: Path) -> None:
    names = [f"part{number}" for number in range(60)]
    write(tmp_path, __init__="", **dict.fromkeys(names, "x = 1"))
    sources = sources_of(tmp_path, tmp_path / "memory.json")
    with ThreadPoolExecutor(8) as pool:
        digests = list(
            pool.map(lambda name: sources.digest([f"quantgate.pipelines.{name}"]), names * 2)
        )
    assert digests[: len(names)] == digests[len(names) :]
    kept = json.loads((tmp_path / "memory.json").read_text())["modules"]
    assert {f"quantgate.pipelines.{name}" for name in names} <= kept.keys()


def test_a_module_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ImportError, match="no source for module"):
        source_digest("quantgate.pipelines.nowhere")
