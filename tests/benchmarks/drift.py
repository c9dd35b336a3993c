"""How long it takes to hold 100,000 rows of traffic (100 MB) against a corpus of 20,000, and memory."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from quantgate.calibration.drift.baseline import Baseline
from quantgate.calibration.drift.results import DriftSettings
from quantgate.calibration.drift.rows import DriftRow, traffic_rows
from quantgate.calibration.drift.sealing import DriftRequest, measure_drift
from quantgate.calibration.drift.tokens import CheckpointTokens, TokenReader, WordReader
from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.evaluation.chat import ChatFormat
from quantgate.pipelines.files.store import Store
from quantgate.pipelines.language.identify import languages_of
from tests.benchmarks.measuring.processes import cost_of

ROWS, CORPUS_ROWS = 100_000, 20_000
SECONDS = 30.0
_THREADS = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "RAYON_NUM_THREADS": "2"}
_CHECKPOINT = Path("examples/support-desk/checkpoint")
_WORDS_A_ROW = 150
_CORPUS, _TRAFFIC = "corpus.jsonl", "traffic.jsonl"


def run(store: Store) -> None:
    """Print wall time, processor time and peak memory: by words where nothing moved, and by a checkpoint's
    tokens where a tenth of the rows is new, so that every permutation is dealt.
    """
    store.root.mkdir(parents=True, exist_ok=True)
    _write(store.root / _CORPUS, CORPUS_ROWS, seed=1)
    for tokens, new in (("words", 0.0), ("tokenizer", 0.1)):
        _write(store.root / _TRAFFIC, ROWS, seed=2, new=new)
        cost = cost_of(partial(_compare_in_child, store, tokens))
        print(
            f"drift of {ROWS:,} rows ({(store.root / _TRAFFIC).stat().st_size / 1e6:.0f} MB, {new:.0%} new)"
            f" against {CORPUS_ROWS:,}, by {tokens}: {cost.seconds:.1f} s ({cost.cpu_seconds:.1f} CPU s), "
            f"peak {cost.peak_bytes / 1e6:.0f} MB, wanted {SECONDS:g} s "
            f"{'ok' if cost.seconds <= SECONDS else 'MISS'}",
            flush=True,
        )


def _compare_in_child(store: Store, tokens: str) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.drift", str(store.root), tokens]
    subprocess.run(command, check=True, env=os.environ | _THREADS)


def compare(root: Path, tokens: str) -> None:
    """Make the comparison, as `quantgate corpus drift` does."""
    reader: TokenReader = WordReader()
    if tokens == "tokenizer":
        reader = CheckpointTokens("the example's", ChatFormat.of(_CHECKPOINT).tokenizer)
    corpus = Corpus(
        name="bench", version=1, digest=digest_of("bench"), sequence_count=CORPUS_ROWS, folder=root
    )
    record = measure_drift(
        DriftRequest(
            corpus=corpus,
            baseline=Baseline(rows=tuple(map(_row, traffic_rows(root / _CORPUS)))),
            traffic=root / _TRAFFIC,
            traffic_name=_TRAFFIC,
            settings=DriftSettings(),
            tokens=reader,
            languages_of=languages_of,
        ),
        Store(root=root),
    )
    if record.comparison.drifted is not (tokens == "tokenizer"):
        sys.exit(f"drift was {'found' if record.comparison.drifted else 'not found'}")


def _row(row: DriftRow | str) -> DriftRow:
    """Every row of the corpus's file is one."""
    if isinstance(row, str):
        sys.exit(f"a row was left out: {row}")
    return row


def _write(path: Path, rows: int, seed: int, new: float = 0.0) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in _rows(rows, seed, new):
            file.write(json.dumps(row) + "\n")


def _rows(rows: int, seed: int, new: float) -> Iterator[dict[str, object]]:
    """Yield conversations of made-up words, the common ones often; about a kilobyte each.

    A share `new` of them uses other words.
    """
    known, unknown = _vocabulary(0), _vocabulary(1)
    shares = [1.0 / (rank + 2) for rank in range(len(known))]
    draw = random.Random(seed)
    for number in range(rows):
        count = max(4, int(draw.gauss(_WORDS_A_ROW, 60)))
        said = draw.choices(unknown if draw.random() < new else known, shares, k=count)
        said[-1] += str(draw.randint(0, 10**9))
        middle = 2 * count // 3
        yield {
            "id": f"row-{number}",
            "messages": [
                {"role": "user", "content": " ".join(said[:middle])},
                {"role": "assistant", "content": " ".join(said[middle:])},
            ],
        }


def _vocabulary(seed: int) -> list[str]:
    draw = random.Random(seed)
    letters = "etaoinshrdlucmfwypvbgk"
    return ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(20_000)]


if __name__ == "__main__":
    compare(Path(sys.argv[1]), sys.argv[2])
