"""What a trial gives its tools: calibration tokens, and texts whose ids are compared."""

import json
import random
from collections.abc import Iterable, Mapping
from pathlib import Path

from quantgate.pipelines.domain.values import digest_of
from quantgate.pipelines.engines.backend import CalibrationTokens
from quantgate.pipelines.evaluation.chat import ChatFormat
from tests.support.architectures.tokenizers import IDS

_SEQUENCES, _SEQUENCE_TOKENS, _FIRST_DRAWN_ID = 4, 32, 280
_TEXTS = ("Where is order 4711?", "naïve cats – 你好", '{"tool": "refund", "amount": 12.50}')


def write_calibration(folder: Path) -> CalibrationTokens:
    """Return random ids, the same ones each time: what is shown of a build does not hang on which."""
    drawn = random.Random(0)
    rows = (
        {
            "id": str(number),
            "token_ids": [drawn.randrange(_FIRST_DRAWN_ID, IDS) for _ in range(_SEQUENCE_TOKENS)],
        }
        for number in range(_SEQUENCES)
    )
    return CalibrationTokens(
        file=_lines(folder / "calibration.jsonl", rows),
        corpus_label="random@1",
        corpus_digest=digest_of("random"),
        sequence_count=_SEQUENCES,
        token_count=_SEQUENCES * _SEQUENCE_TOKENS,
        max_length_tokens=_SEQUENCE_TOKENS,
    )


def write_texts(checkpoint: Path, folder: Path) -> Path:
    """Return texts with the ids that a checkpoint's own tokenizer gives them (`ProbeRequest.texts`)."""
    chat = ChatFormat.of(checkpoint)
    rows = ({"id": text, "text": text, "token_ids": list(chat.token_ids(text))} for text in _TEXTS)
    return _lines(folder / "texts.jsonl", rows)


def _lines(file: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file
