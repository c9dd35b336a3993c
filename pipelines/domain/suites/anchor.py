"""Labels that people give to answers, by which a judge model is measured."""

import hashlib
from dataclasses import dataclass

from quantgate.pipelines.domain.values import Digest


def answer_digest(answer_text: str) -> Digest:
    """Return the sha256 of an answer's text in UTF-8, by which labels bind to it.

    Lone surrogates, which UTF-8 cannot hold, are spelled out. The same digest binds adjudications.
    """
    return Digest(hashlib.sha256(answer_text.encode("utf-8", "backslashreplace")).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorLabel:
    """What a person says of one answer to one item; it says nothing of any other answer."""

    item_id: str
    answer_digest: Digest
    right: bool
