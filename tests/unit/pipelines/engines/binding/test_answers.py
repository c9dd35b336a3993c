"""Bound answers token by token, in vocabularies of two kinds."""

import json

import numpy
import pytest
from tokenizers import Tokenizer, models

from quantgate.pipelines.domain.errors import ToolchainError, WorkerError
from quantgate.pipelines.engines.binding.answers import Binder
from quantgate.pipelines.engines.binding.vocabularies import (
    vocabulary_of_pieces,
    vocabulary_of_tokenizer,
)
from tests.support.project import EXAMPLE

E_ACUTE = "é".encode()
PIECES = [b'{"a', b'":', b"[", b"]}", b"1", b'{"', b"a", E_ACUTE[:1], E_ACUTE[1:], b'"', b"", b""]
STOP, OTHER_END = 10, 11
SCHEMA = '{"properties": {"a": {"type": "array", "items": {"const": 1}}}, "required": ["a"]}'


def binder() -> Binder:
    return Binder(vocabulary_of_pieces(PIECES), frozenset({STOP}))


def allowed(answer_pieces: list[int], schema: str = SCHEMA) -> set[int]:
    """Return what may follow some tokens, told in both ways."""
    answer = binder().begin(schema)
    for token in answer_pieces:
        answer.accept(token)
    one_by_one = {token for token in range(len(PIECES)) if answer.allows(token)}
    assert set(numpy.flatnonzero(answer.allowed(len(PIECES))).tolist()) == one_by_one
    return one_by_one


def test_tokens_of_several_bytes_are_allowed_where_all_of_them_are() -> None:
    assert allowed([]) == {0, 5}
    assert allowed([5]) == {6}
    assert allowed([0, 1, 2]) == {4, 3}


def test_characters_may_come_in_parts() -> None:
    assert allowed([9, 7], '{"type": "string"}') == {8}
    assert allowed([9, 7, 8, 9], '{"type": "string"}') == {STOP}


def test_an_answer_ends_by_stop_tokens_alone_and_only_where_it_is_whole() -> None:
    assert STOP not in allowed([0, 1, 2])
    assert allowed([0, 1, 2, 3]) == {STOP}


def test_numbers_may_end_and_may_go_on() -> None:
    assert allowed([4], '{"type": "integer"}') == {4, STOP}


def test_answers_to_one_schema_do_not_share_a_place() -> None:
    begin = binder().begin
    first, second = begin(SCHEMA), begin(SCHEMA)
    first.accept(0)
    assert second.allows(0)
    assert not first.allows(0)


def test_what_lies_beyond_the_vocabulary_is_not_allowed() -> None:
    answer = binder().begin(SCHEMA)
    assert not answer.allows(5000)
    assert not answer.allowed(5000)[len(PIECES) :].any()
    assert answer.allows(0), "asking harms nothing"


def test_going_on_by_what_is_not_allowed_is_an_error() -> None:
    with pytest.raises(WorkerError, match="token 3"):
        binder().begin(SCHEMA).accept(3)


def test_a_checkpoints_tokenizer_binds_answers_that_its_text_meets() -> None:
    tokenizer = Tokenizer.from_file(str(EXAMPLE / "checkpoint/tokenizer.json"))
    begin_id, stop = (tokenizer.token_to_id(name) or 0 for name in ("<|begin|>", "<|end|>"))
    begin = Binder(vocabulary_of_tokenizer(tokenizer, frozenset({stop})), frozenset({stop})).begin
    text = json.dumps({"a": "naïve 😀 \\ text", "b": [1, -2.5]}, ensure_ascii=False)
    schema = {"properties": {"a": {"type": "string"}, "b": {"items": {"type": "number"}}}}
    answer = begin(json.dumps(schema))
    for token in tokenizer.encode(text, add_special_tokens=False).ids:
        mask = answer.allowed(tokenizer.get_vocab_size())
        assert mask[token]
        assert not mask[[begin_id, stop]].any()
        answer.accept(token)
    assert answer.allows(stop)


def test_a_tokenizer_whose_bytes_cannot_be_told_is_an_error_that_says_so() -> None:
    words = Tokenizer(models.WordLevel({"yes": 0, "no": 1}, unk_token="no"))
    with pytest.raises(ToolchainError, match="llguidance cannot read the tokenizer"):
        vocabulary_of_tokenizer(words, frozenset())
