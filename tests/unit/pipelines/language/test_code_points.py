"""Each code point that occurs is asked about once."""

import numpy

from quantgate.pipelines.language.code_points import CodePointTable


def test_only_what_occurs_is_asked_about_and_only_once() -> None:
    asked: list[int] = []

    def number(code: int) -> int:
        asked.append(code)
        return code % 7

    table = CodePointTable(number)
    codes = numpy.array([97, 0x10FFFF, 97, 0], dtype=numpy.uint32)

    assert table.of(codes).tolist() == [97 % 7, 0x10FFFF % 7, 97 % 7, 0]
    assert table.of(codes[:1]).tolist() == [97 % 7]
    assert sorted(asked) == [0, 97, 0x10FFFF]


def test_what_is_returned_may_be_changed() -> None:
    table = CodePointTable(lambda _code: 1)
    codes = numpy.array([97, 98], dtype=numpy.uint8)

    table.of(codes)[:] = 2

    assert table.of(codes).tolist() == [1, 1]
