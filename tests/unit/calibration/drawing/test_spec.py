"""Corpus specs: what is understood, and what is refused with its line."""

import json
from fractions import Fraction
from pathlib import Path

import jsonschema
import pytest
import yaml

from quantgate.calibration.drawing.mixing import shares_of
from quantgate.calibration.specs.corpus import CorpusSpec
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.specs.json_schemas import SCHEMAS
from tests.support.project import PROJECT

KEPT = PROJECT / "calibration" / "corpora"

WHOLE = """\
name: everything
description: All keys at once.
licence: mixed
sources:
  - path: logs/*.jsonl
    fields: {messages: body.messages, domain: topic}
    weight: 0.1
    language: de
    licence: internal
  - {hub: org/name@main, config: chat, split: train_sft, weight: 0.2, name: public}
  - {mlflow: {experiment: support}}
filters:
  roles: [user, assistant]
  min_characters: 10
  languages: de
  exclude: "(?i)test"
mix:
  language: {de: 1, other: 3}
  length: {0-200: 1, 200-: 1}
rendering: raw
redaction: {mode: enforce, entities: EMAIL_ADDRESS}
sequences: 10
tokens: 1000
tokenizer: model
seed: 7
"""


def load(folder: Path, text: str) -> CorpusSpec:
    path = folder / "corpus.yaml"
    path.write_text(text)
    return load_corpus_spec(path)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, text)
    return str(caught.value)


@pytest.mark.parametrize("path", sorted(KEPT.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_kept_spec_loads_fits_the_schema_and_is_called_as_its_file(path: Path) -> None:
    schema = json.loads((SCHEMAS / "corpus.json").read_text())
    jsonschema.validate(yaml.safe_load(path.read_text()), schema)
    spec = load_corpus_spec(path)
    assert spec.name == path.stem
    assert all(source.path is None or source.path.is_file() for source in spec.sources)


def test_every_key_reaches_the_domain_object(tmp_path: Path) -> None:
    spec = load(tmp_path, WHOLE)
    local, public, traces = spec.sources
    assert local.path == tmp_path / "logs/*.jsonl"
    assert (local.fields.messages, local.fields.domain) == ("body.messages", "topic")
    assert (public.name, public.hub, public.config) == ("public", "org/name@main", "chat")
    assert (traces.name, traces.experiment) == ("mlflow:support", "support")
    assert spec.filters.languages == ("de",)
    assert spec.filters.exclude == ("(?i)test",)
    assert (spec.rendering, spec.seed, spec.tokens) == ("raw", 7, 1000)
    assert (spec.redaction.mode, spec.redaction.entities) == ("enforce", ("EMAIL_ADDRESS",))


def test_weights_are_as_exact_as_they_are_written(tmp_path: Path) -> None:
    shares = {one.dimension: one.parts for one in shares_of(load(tmp_path, WHOLE))}
    assert shares["source"] == {
        "logs/*.jsonl": Fraction(1, 13),
        "public": Fraction(2, 13),
        "mlflow:support": Fraction(10, 13),
    }
    assert shares["language"] == {"de": Fraction(1, 4), "other": Fraction(3, 4)}


def test_without_weights_nothing_is_mixed_by_source(tmp_path: Path) -> None:
    spec = load(tmp_path, "name: c\nsequences: 1\nsources: [{path: a.txt}, {path: b.txt}]\n")
    assert shares_of(spec) == ()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("sources: [{path: a.txt, hub: a/b}]", "one of path, hub and mlflow"),
        ("sources: [{path: a.xml}]", "sources end in .jsonl, .txt, .csv, .parquet"),
        ("sources: [{hub: nonsense}]", "not org/name@revision"),
        ("sources: [{path: a.txt}, {path: a.txt}]", "two sources have one name"),
        ("sources: [{path: a.txt, wieght: 2}]", "did you mean 'weight'"),
        ("sources: [{path: a.txt, weight: 0}]", "has to be above 0, not 0"),
        ("sources: [{path: a.txt, weight: .nan}]", "greater than 0|finite"),
        ("sources: [{path: a.txt}]\nfilters: {include: '('}", "no regular expression"),
        ("sources: [{path: a.txt}]\nmix: {length: {short: 1}}", "not a range of characters"),
        ("sources: [{path: a.txt}]\nmix: {length: {0-9: 1, 5-: 1}}", "overlap"),
        ("sources: [{path: a.txt}]\nmix: {length: {9-5: 1}}", "not a range of characters"),
        ("sources: [{path: a.txt}]\nredaction: {mode: maybe}", "redaction.mode"),
        ("sources: [{path: a.txt}]\nredaction: {countries: [de]}", "add `mode: enforce`"),
        ("sources: [{path: a.csv, split: train}]", "nothing comes of split in such a source"),
        ("sources: [{path: a.txt, fields: {text: t}}]", "nothing comes of fields"),
        ("sources: [{path: a.txt}]\ntokens: 5", "needs a `tokenizer`"),
    ],
)
def test_a_wrong_key_is_refused_with_its_line(tmp_path: Path, line: str, problem: str) -> None:
    found = refusal(tmp_path, f"name: c\nsequences: 1\n{line}\n")
    assert any(part in found for part in problem.split("|")), found
    assert "line " in found


def test_a_spec_says_how_much(tmp_path: Path) -> None:
    assert "say how much" in refusal(tmp_path, "name: c\nsources: [{path: a.txt}]\n")
