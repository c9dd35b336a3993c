"""The bundled example keeps what its README promises (its accuracy: tests/integration)."""

import json
from collections import Counter
from pathlib import Path

from quantgate.calibration.checks.contamination import contaminations
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.language.words import normalized
from quantgate.pipelines.specs.builds import BuildOverrides, load_build
from quantgate.pipelines.specs.policies import load_policy
from quantgate.pipelines.specs.recipes import find_recipes
from quantgate.pipelines.suites.load import load_suite
from tests.support.corpora import sample, spec_of
from tests.support.project import EXAMPLE

SLICES = {
    "flat",
    "five_arguments",
    "nested",
    "numeric",
    "multilingual",
    "lang_sw",
    "long_context",
    "refusal",
    "injection",
    "tail",
}


def traffic_sequences(folder: Path) -> tuple[CorpusSequence, ...]:
    """Every row of the traffic, as a corpus of all of them has it; no two rows are the same."""
    rows = EXAMPLE / "traffic" / "messages.jsonl"
    count = len(rows.read_text(encoding="utf-8").splitlines())
    return sample(spec_of(folder, f"sequences: {count}\nsources: [{{path: {rows}}}]\n")).sequences


def test_the_suite_has_at_least_four_hundred_items_in_slices_that_can_prove_something() -> None:
    suite = load_suite(EXAMPLE / "suite")
    sizes = Counter(name for item in suite.items for name in item.slices)
    assert len(suite.items) >= 400
    assert set(sizes) == SLICES
    assert all(count >= 35 for count in sizes.values()), sizes


def test_no_question_of_the_suite_stands_in_the_traffic(tmp_path: Path) -> None:
    traffic = traffic_sequences(tmp_path)
    assert len(traffic) >= 1000
    assert contaminations(traffic, load_suite(EXAMPLE / "suite").items) == ()


def test_no_item_is_asked_twice() -> None:
    texts = [normalized(item.messages[-1].content) for item in load_suite(EXAMPLE / "suite").items]
    assert len(set(texts)) == len(texts)


def test_traffic_answers_are_tool_calls(tmp_path: Path) -> None:
    for sequence in traffic_sequences(tmp_path):
        assert [message.role for message in sequence.messages] == ["user", "assistant"]
        assert set(json.loads(sequence.messages[1].content)) == {"name", "arguments"}


def test_the_checkpoint_is_small_and_safetensors_only() -> None:
    files = [path for path in (EXAMPLE / "checkpoint").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 12_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md"}


def test_build_corpus_and_policy_files_are_read_as_they_are() -> None:
    spec = load_build(EXAMPLE / "build.yaml", BuildOverrides(), ())
    assert (spec.name, len(find_recipes(spec.recipes, spec.folder))) == ("support-llama", 8)
    (corpus,) = spec.corpora
    assert corpus is not None
    assert load_corpus_spec(corpus).name == "support-traffic"
    assert load_policy(spec.policy, load_suite(spec.suite)).max_break_rate == 0.1
