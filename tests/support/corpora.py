"""Rows and specs for tests of corpora."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quantgate.calibration.shelf.assemble import build_corpus
from quantgate.calibration.shelf.sealing import corpus_record, read_sequences
from quantgate.calibration.specs.corpus import CorpusSpec
from quantgate.calibration.specs.corpus_file import load_corpus_spec
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.values import Digest, JsonObject
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.files.temporary import temporary_folder

SAID = {
    "en": "Could you please tell me when my order will arrive, I have been waiting.",
    "de": "Können Sie mir bitte sagen, wann meine Bestellung endlich bei mir ankommt?",
    "fr": "Pourriez-vous me dire quand ma commande arrivera, je l'attends depuis des jours.",
}


def chat_row(number: int, text: str, **more: object) -> JsonObject:
    """Return a conversation of two messages."""
    messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "Soon."}]
    return {"id": f"r{number}", "messages": messages, **more}  # type: ignore[dict-item]  # JSON all through


def chat_rows(
    count: int, *, seed: int = 0, languages: Sequence[str] = ("en", "de", "fr")
) -> list[JsonObject]:
    """Return conversations of random length in several languages; one in ten repeats an earlier one."""
    draw = random.Random(seed)
    rows: list[JsonObject] = []
    for number in range(count):
        if rows and number % 10 == 9:
            rows.append(draw.choice(rows))
        else:
            said = SAID[draw.choice(languages)] + " "
            text = said * draw.randint(1, 6) + f"Number {draw.randrange(10**9)}."
            rows.append(chat_row(number, text, domain=draw.choice(["returns", "billing"])))
    return rows


def write_rows(path: Path, rows: Sequence[JsonObject]) -> Path:
    """Write JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
    return path


def spec_of(folder: Path, text: str) -> CorpusSpec:
    """Return the spec that a YAML text is, named `demo`, beside its sources."""
    path = folder / "corpus.yaml"
    path.write_text(f"name: demo\n{text}", encoding="utf-8")
    return load_corpus_spec(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Sequences chosen from the sources, with what was left out."""

    sequences: tuple[CorpusSequence, ...]
    digest: Digest
    source_rows: int
    duplicate_rows: int


def sample(spec: CorpusSpec) -> Sample:
    """Return what a corpus of this spec would hold, sealed nowhere for good."""
    with temporary_folder() as folder:
        corpus = build_corpus(spec, Store(root=folder))
        record = corpus_record(corpus)
        return Sample(
            sequences=read_sequences(corpus),
            digest=corpus.digest,
            source_rows=record.source_rows,
            duplicate_rows=record.duplicate_rows,
        )
