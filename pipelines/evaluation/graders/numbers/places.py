r"""Where in an answer its final number stands: after `####`, in `\boxed{}`, after `the answer is`, last."""

import re
from collections.abc import Sequence
from typing import Literal

from quantgate.pipelines.evaluation.graders.numbers.numerals import DecimalSign, plain_digits
from quantgate.pipelines.evaluation.graders.numbers.quantities import Quantity, quantities
from quantgate.pipelines.evaluation.graders.reading.strict_json import Refused
from quantgate.pipelines.evaluation.invisible import without_invisible

Place = Literal["last", "first", "boxed", "whole"]

_HASHES = re.compile(r"####[ \t]{0,9}([^\n]{1,400})")
_SAID = re.compile(
    r"(?i:\b(?:answers?|final result|antwort|respuesta|réponse|risposta|resposta|ответ|jibu|jawaban)"
    r"(?: is| are| ist| lautet| es| est| è| é| ni| adalah)?[ \t*]{0,4}[::]?"
    r"|答案(?:是|为)?[::]?|答え(?:は)?[::]?|उत्तर[::]?|উত্তর[::]?|คำตอบ(?:คือ)?[::]?|సమాధానం[::]?)"
    r"([^\n]{1,400})"
)
_BOXED = re.compile(r"\\boxed[ \t]{0,4}\{")
_LONGEST_BOX = 1000
_ALTERNATIVES = re.compile(
    r"(?<![^\W\d_])(?:or|oder|ou|или)[^\w\n]{1,4}$|(?:或|または)[^\w\n]{0,4}$"
)
_LONGEST_ALTERNATIVE = 40
_AROUND_WHOLE = " \t\n\r.。!*_~$≈=()[]"


def final_number(text: str, where: Place, decimal: DecimalSign) -> Quantity | Refused:
    r"""Return the number that an answer ends on, as `where` asks.

    `last`: after the last `####`, else in the last `\boxed{}`, else after the last `answer is`, else the
    last one of all. Where such a mark is followed by a calculation, what stands behind its last `=`
    counts. `boxed`: only in the last box. `whole`: the answer has to be the number and its unit.
    """
    text = without_invisible(text)
    if where == "whole":
        return _whole(text, decimal)
    if where == "first":
        return _nth(quantities(text, decimal)[0], 0)
    if where == "boxed":
        box = _last_box(text)
        return _decided(box, decimal) if box is not None else Refused(reason="nothing is boxed")
    for marked in _marked(text):
        quantity = _decided(marked, decimal)
        if isinstance(quantity, Quantity) or quantity.reason.startswith("ambiguous"):
            return quantity
    return _nth(quantities(text, decimal)[0], -1)


def _whole(text: str, decimal: DecimalSign) -> Quantity | Refused:
    box = _last_box(text)
    if box is not None and text.strip(_AROUND_WHOLE).startswith("\\boxed") and text.count("}") == 1:
        text = box
    numbers, plain = quantities(text, decimal)
    if len(numbers) != 1:
        return Refused(reason="the answer is not one number alone")
    before, after = plain[: numbers[0].start], plain[numbers[0].end :]
    if numbers[0].bare:
        after = after.strip().removeprefix(numbers[0].unit or "")
    if before.strip(_AROUND_WHOLE) or after.strip(_AROUND_WHOLE):
        return Refused(reason="the answer is not a number alone")
    return numbers[0]


def _marked(text: str) -> list[str]:
    box = _last_box(text)
    said = [
        _HASHES.findall(text)[-1:],
        [box] if box else [],
        _SAID.findall(plain_digits(text))[-1:],
    ]
    return [segment for segments in said for segment in segments]


def _last_box(text: str) -> str | None:
    """Return what stands in the last box, whose braces may nest."""
    boxes = list(_BOXED.finditer(text))
    if not boxes:
        return None
    start, depth = boxes[-1].end(), 1
    for index in range(start, min(len(text), start + _LONGEST_BOX)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return text[start:index]
    return text[start : start + _LONGEST_BOX]


def _decided(segment: str, decimal: DecimalSign) -> Quantity | Refused:
    numbers, plain = quantities(segment, decimal)
    computed = [number for number in numbers if number.start > plain.rfind("=")]
    numbers = computed or numbers
    between = plain[numbers[0].end : numbers[1].start] if len(numbers) > 1 else ""
    if len(between) < _LONGEST_ALTERNATIVE and _ALTERNATIVES.search(between):
        return Refused(reason="ambiguous: the answer names two numbers")
    return _nth(numbers, 0)


def _nth(numbers: Sequence[Quantity], index: int) -> Quantity | Refused:
    return numbers[index] if numbers else Refused(reason="there is no number")
