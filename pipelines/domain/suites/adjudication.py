"""What a person decided about an answer that changed."""

from dataclasses import dataclass
from enum import StrEnum

from quantgate.pipelines.domain.values import Digest


class Mark(StrEnum):
    """How an answer compares, in a person's eyes, with what was wanted.

    Equivalent and better answers count as right from then on, worse ones as wrong.
    """

    EQUIVALENT = "equivalent"
    BETTER = "better"
    WORSE = "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjudication:
    """One decision. It holds for this very answer to this very question, whoever gives it.

    `item_sha256` covers what was asked and expected, `answer_sha256` the answer's text in UTF-8; where
    either changes, the decision says nothing any more. `decided_on` is an ISO date.
    """

    item_id: str
    item_sha256: Digest
    answer_sha256: Digest
    mark: Mark
    decided_by: str
    decided_on: str
    note: str = ""
