"""Redaction without its detector: texts taken apart and put together, replaced, counted, kept and refused."""

import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from quantgate.calibration.redaction.entities import problems_of, selected_entities
from quantgate.calibration.redaction.messages import DetectCall, Detected
from quantgate.calibration.redaction.options import EntityCount, RedactionOptions
from quantgate.calibration.redaction.redact import RedactionResult, missing, redact, redact_file
from quantgate.calibration.redaction.replacing import EntityFinding, Replacer, apart, remains
from quantgate.calibration.redaction.texts import PlacedText, changed, parts_of
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import InputError, WorkerError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.domain.values import JsonObject
from quantgate.pipelines.files.records import from_json, to_json
from quantgate.pipelines.process.calls import OnProgress, Reply, WorkerCall, WorkerReply

MAIL = re.compile(r"[\w.]+@[\w.]+\w")
LONG_NUMBER = re.compile(r"\b\d{9,}\b")
PLACEHOLDERS = RedactionOptions(mode="enforce")
SURROGATES = replace(PLACEHOLDERS, replacement="surrogate")


@dataclass
class Finder:
    """A worker's stand-in: finds addresses by `@` and numbers by length, and dies after `lives` rows."""

    lives: int = 1_000_000
    calls: list[DetectCall] = field(default_factory=list)

    def __call__(
        self, call: WorkerCall, reply_type: type[Reply], on_progress: OnProgress
    ) -> WorkerReply[Reply]:
        request = call.request
        assert isinstance(request, DetectCall)
        self.calls.append(request)
        done = len(request.findings.read_text().splitlines()) if request.findings.exists() else 0
        rows = request.sequences.read_text().splitlines()[done:]
        with request.findings.open("a") as output:
            for row in rows[: self.lives]:
                parts = parts_of(from_json(CorpusSequence, json.loads(row)))
                output.write(json.dumps(list(found(parts))) + "\n")
        if self.lives < len(rows):
            raise WorkerError("was killed by SIGKILL", where=call.module)
        reply = Detected(sequences=done + len(rows), looked_through=len(rows))
        return WorkerReply(
            value=from_json(reply_type, to_json(reply)), seconds=0.0, peak_memory_bytes=0
        )


def found(parts: list[PlacedText]) -> list[list[object]]:
    patterns = (("EMAIL_ADDRESS", MAIL), ("PHONE_NUMBER", LONG_NUMBER))
    return [
        [index, match.start(), match.end(), entity, 1.0]
        for index, part in enumerate(parts)
        for entity, pattern in patterns
        for match in pattern.finditer(part.text)
    ]


def said(*contents: str, name: str = "t-1", source: str = "traffic") -> CorpusSequence:
    roles = ("user", "assistant") * len(contents)
    messages = tuple(
        Message(role=role, content=content)  # type: ignore[arg-type]  # alternating literals
        for role, content in zip(roles, contents, strict=False)
    )
    return CorpusSequence(id=name, messages=messages, source=source)


def enforced(
    tmp_path: Path, *sequences: CorpusSequence, options: RedactionOptions = PLACEHOLDERS
) -> RedactionResult:
    return redact(sequences, options, run_worker=Finder(), folder=tmp_path / "redactions")


def test_a_value_keeps_its_placeholder_through_question_and_tool_call(tmp_path: Path) -> None:
    call = '{"name": "reset", "arguments": {"email": "a.b@mail.org", "copy": "c@mail.org"}}'
    row = said("I am a.b@mail.org, copy c@mail.org", call)
    messages = enforced(tmp_path, row).sequences[0].messages
    assert messages[0].content == "I am <EMAIL_1>, copy <EMAIL_2>"
    assert messages[1].content == (
        '{"name": "reset", "arguments": {"email": "<EMAIL_1>", "copy": "<EMAIL_2>"}}'
    )


def test_placeholders_begin_anew_in_every_sequence(tmp_path: Path) -> None:
    rows = (said("x@mail.org", name="1"), said("y@mail.org and x@mail.org", name="2"))
    first, second = enforced(tmp_path, *rows).sequences
    assert first.messages[0].content == "<EMAIL_1>"
    assert second.messages[0].content == "<EMAIL_1> and <EMAIL_2>"


def test_case_and_spacing_make_no_other_value() -> None:
    replacer = Replacer(style="placeholder", seed="")
    text = "0761 20-35 and 07612035"
    findings = [
        EntityFinding(entity="PHONE_NUMBER", start=0, end=10, score=1.0),
        EntityFinding(entity="PHONE_NUMBER", start=15, end=23, score=1.0),
    ]
    assert replacer.replaced(text, findings, is_number=False) == "<PHONE_1> and <PHONE_1>"


def test_json_with_escapes_stays_json_and_keeps_the_bytes_around(tmp_path: Path) -> None:
    content = '{\n  "note":"line\\nx.y@mail.org \\"quoted\\" \\u00e9",   "n": 1e5,"é":"ü"}'
    result = enforced(tmp_path, said("hello", content)).sequences[0].messages[1].content
    assert json.loads(result)["note"] == 'line\n<EMAIL_1> "quoted" é'
    assert result.endswith(',   "n": 1e5,"é":"ü"}')


def test_a_json_number_stays_a_number_of_its_length(tmp_path: Path) -> None:
    result = enforced(tmp_path, said("call 4915112345678", '{"phone":4915112345678,"count":3}'))
    arguments = json.loads(result.sequences[0].messages[1].content)
    assert isinstance(arguments["phone"], int)
    assert len(str(arguments["phone"])) == 13
    assert arguments["phone"] != 4915112345678
    assert arguments["count"] == 3


def test_tool_calls_are_replaced_inside_strings_of_json_and_keep_their_ids(tmp_path: Path) -> None:
    function: JsonObject = {
        "name": "mail",
        "arguments": json.dumps({"to": "a@mail.org", "n": 491511234567}),
    }
    call: JsonObject = {"id": "call_123456789012", "type": "function", "function": function}
    message = Message(role="assistant", content="", tool_calls=(call,), tool_call_id="123456789012")
    changed_call = enforced(tmp_path, CorpusSequence(id="1", messages=(message,))).sequences[0]
    after = changed_call.messages[0]
    assert after.tool_call_id == "123456789012"
    assert after.tool_calls[0]["id"] == "call_123456789012"
    arguments = json.loads(after.tool_calls[0]["function"]["arguments"])  # type: ignore[index, call-overload, arg-type]  # JSON
    assert arguments["to"] == "<EMAIL_1>"
    assert arguments["n"] != 491511234567


def test_report_leaves_every_text_and_counts_the_same(tmp_path: Path) -> None:
    rows = (
        said("a@mail.org b@mail.org"),
        said("nothing", name="2"),
        CorpusSequence(id="3", text="c@d.ef"),
    )
    report = enforced(tmp_path, *rows, options=replace(PLACEHOLDERS, mode="report"))
    assert report.sequences == rows
    assert report.report.counts == enforced(tmp_path, *rows).report.counts
    assert report.report.sequences == 3
    assert report.report.sequences_with_findings == 2
    assert report.report.finding_count == 3
    assert report.report.counts == (
        EntityCount(entity="EMAIL_ADDRESS", source="", found=1, sequences=1),
        EntityCount(entity="EMAIL_ADDRESS", source="traffic", found=2, sequences=1),
    )


def test_the_report_holds_places_and_nothing_personal(tmp_path: Path) -> None:
    row = said(
        "hello, my address is very.private@mail.org", '{"very.private@mail.org": "4917012345678"}'
    )
    report = enforced(tmp_path, row).report
    written = json.dumps(to_json(report))
    assert "private" not in written
    assert "4917012345678" not in written
    first = report.examples[0]
    assert (first.part, first.start, first.end) == ("messages[0].content", 21, 42)


def test_kept_findings_hold_nothing_personal_and_no_rows_are_left(tmp_path: Path) -> None:
    enforced(tmp_path, said("very.private@mail.org"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "findings.jsonl" for path in files)
    assert not any(b"private" in path.read_bytes() for path in files)


def test_rows_that_a_killed_process_left_behind_are_removed(tmp_path: Path) -> None:
    left = tmp_path / "redactions" / ".rows" / "rows.jsonl"
    left.parent.mkdir(parents=True)
    left.write_text("very.private@mail.org")
    enforced(tmp_path, said("hello"))
    assert not left.parent.exists()


def test_examples_are_five_of_each_entity(tmp_path: Path) -> None:
    rows = [said("a@mail.org and 491701234567", name=str(n)) for n in range(9)]
    places = enforced(tmp_path, *rows).report.examples
    assert [place.entity for place in places] == ["EMAIL_ADDRESS"] * 5 + ["PHONE_NUMBER"] * 5


def test_off_starts_no_child_and_reports_nothing(tmp_path: Path) -> None:
    finder = Finder()
    row = said("a@mail.org")
    result = redact((row,), RedactionOptions(), run_worker=finder, folder=tmp_path)
    assert result.sequences == (row,)
    assert not finder.calls
    assert result.report.finding_count == 0


def test_the_same_rows_are_looked_through_once_for_report_enforce_and_surrogates(
    tmp_path: Path,
) -> None:
    finder = Finder()
    for options in (replace(PLACEHOLDERS, mode="report"), PLACEHOLDERS, SURROGATES):
        redact((said("a@mail.org"),), options, run_worker=finder, folder=tmp_path)
    assert len(finder.calls) == 1
    redact((said("b@mail.org"),), PLACEHOLDERS, run_worker=finder, folder=tmp_path)
    stricter = replace(PLACEHOLDERS, threshold=0.9)
    redact((said("b@mail.org"),), stricter, run_worker=finder, folder=tmp_path)
    assert len(finder.calls) == 3


def test_an_interrupted_look_goes_on_where_it_was(tmp_path: Path) -> None:
    rows = [said(f"a{n}@mail.org", name=str(n)) for n in range(10)]
    with pytest.raises(WorkerError):
        redact(rows, PLACEHOLDERS, run_worker=Finder(lives=4), folder=tmp_path)
    second = Finder(lives=6)
    result = redact(rows, PLACEHOLDERS, run_worker=second, folder=tmp_path)
    assert len(second.calls) == 1
    assert result.report.finding_count == 10
    assert result.sequences == enforced(tmp_path / "other", *rows).sequences


def test_altered_findings_are_noticed(tmp_path: Path) -> None:
    rows = (said("a@mail.org"),)
    redact(rows, PLACEHOLDERS, run_worker=Finder(), folder=tmp_path)
    kept = next(tmp_path.rglob("findings.jsonl"))
    kept.write_text("[]\n")
    with pytest.raises(InputError, match="altered"):
        redact(rows, PLACEHOLDERS, run_worker=Finder(), folder=tmp_path)


def test_a_file_is_redacted_to_a_file(tmp_path: Path) -> None:
    source, destination = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps(to_json(CorpusSequence(id="1", text="to a@mail.org"))) + "\n")
    report = redact_file(
        source, destination, PLACEHOLDERS, run_worker=Finder(), folder=tmp_path / "redactions"
    )
    assert json.loads(destination.read_text())["text"] == "to <EMAIL_1>"
    assert report.sequences == 1


def test_a_surrogate_keeps_the_shape_and_is_nobodys(tmp_path: Path) -> None:
    text = "mail Ann.Lee2@shop.example or 491701234567"
    after = enforced(tmp_path, CorpusSequence(id="1", text=text), options=SURROGATES).sequences[0]
    assert re.fullmatch(
        r"mail [A-Z][a-z]{2}\.[A-Z][a-z]{2}0@[a-z]{4}\.invalid or 000\d{9}", after.text
    )


def test_a_surrogate_does_not_depend_on_the_value_it_replaces(tmp_path: Path) -> None:
    rows = (
        CorpusSequence(id="1", text="I am ann@mail.org"),
        CorpusSequence(id="2", text="I am bob@post.org"),
    )
    first, second = enforced(tmp_path, *rows, options=SURROGATES).sequences
    assert first.text == second.text


def test_surrogates_differ_between_sequences_that_say_other_things(tmp_path: Path) -> None:
    rows = (
        CorpusSequence(id="1", text="I am ann@mail.org"),
        CorpusSequence(id="2", text="So: ann@mail.org"),
    )
    first, second = enforced(tmp_path, *rows, options=SURROGATES).sequences
    assert first.text.removeprefix("I am ") != second.text.removeprefix("So: ")


@pytest.mark.parametrize("seed", [str(number) for number in range(40)])
def test_no_surrogate_card_has_a_valid_check_digit(seed: str) -> None:
    value = "4111 1111 1111 1111"
    finding = EntityFinding(entity="CREDIT_CARD", start=0, end=len(value), score=1.0)
    card = Replacer(style="surrogate", seed=seed).replaced(value, [finding], is_number=False)
    digits = [int(letter) for letter in card if letter.isdigit()]
    odd = digits[-1::-2]
    even = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    assert (sum(odd) + sum(even)) % 10 != 0
    assert re.fullmatch(r"000\d \d{4} \d{4} \d{4}", card)


@pytest.mark.parametrize(
    ("value", "shape"),
    [("81.2.69.142", r"192\.0\.2\.\d{1,3}"), ("2001:db8::7334", r"2001:db8::[0-9a-f]{1,2}")],
)
def test_surrogate_ip_addresses_are_those_kept_for_documentation(value: str, shape: str) -> None:
    finding = EntityFinding(entity="IP_ADDRESS", start=0, end=len(value), score=1.0)
    result = Replacer(style="surrogate", seed="").replaced(value, [finding], is_number=False)
    assert re.fullmatch(shape, result)


def test_findings_that_overlap_become_one_called_by_the_likeliest() -> None:
    findings = [
        EntityFinding(entity="URL", start=0, end=20, score=0.5),
        EntityFinding(entity="EMAIL_ADDRESS", start=8, end=25, score=1.0),
        EntityFinding(entity="PHONE_NUMBER", start=25, end=30, score=0.4),
    ]
    assert apart(findings[::-1]) == [
        EntityFinding(entity="EMAIL_ADDRESS", start=0, end=25, score=1.0),
        EntityFinding(entity="PHONE_NUMBER", start=25, end=30, score=0.4),
    ]


def test_what_remains_forgets_what_was_found() -> None:
    def of(text: str) -> str:
        return remains([text], [[EntityFinding(entity="X", start=2, end=4, score=1.0)]])

    assert of("a:12 b") == of("a:99 b")
    assert of("a:12 b") != of("a:12 c")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": ',
        "[" * 3000,
        '{"a": "\\ud800"}',
        "\x00\ud800",
        '["x", {"y": [1234567890]}]',
        "{'a': 1}",
    ],
)
def test_any_text_survives_being_taken_apart(text: str) -> None:
    sequence = CorpusSequence(id="1", text=text)
    assert changed(sequence, lambda part: part.text) == sequence
    assert parts_of(sequence)


def test_half_a_character_is_refused_by_the_name_of_its_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 'r-7' holds half a character"):
        enforced(tmp_path, CorpusSequence(id="r-7", text="broken \ud800"))


def test_keys_come_before_their_values_so_that_they_are_context() -> None:
    parts = parts_of(CorpusSequence(id="1", text='{"phone": "0747-389770"}'))
    assert [part.text for part in parts] == ["phone", "0747-389770"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (RedactionOptions(entities=("EMAIL_ADRESS",)), "did you mean 'EMAIL_ADDRESS'"),
        (RedactionOptions(languages=("klingon",)), "language 'klingon'"),
        (RedactionOptions(countries=("uk",)), "did you mean 'gb'"),
        (RedactionOptions(countries=("Germany",)), "ISO 3166"),
        (RedactionOptions(threshold=1.5), "between 0 and 1"),
        (RedactionOptions(entities=("PERSON",)), "name one with `ner_model`"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    options: RedactionOptions, sentence: str, tmp_path: Path
) -> None:
    assert any(sentence in problem for problem in problems_of(options))
    with pytest.raises(InputError, match=re.escape(sentence)):
        redact((), options, run_worker=Finder(), folder=tmp_path)


def test_defaults_have_no_problems() -> None:
    assert not problems_of(RedactionOptions())


def test_languages_choose_countries_and_those_choose_national_ids() -> None:
    german = selected_entities(RedactionOptions(languages=("de",)))
    assert german.phone_regions == ("DE", "AT", "CH")
    assert "DE_TAX_ID" in german.recognizers
    assert "US_SSN" not in german.recognizers
    assert "URL" not in german.recognizers
    assert "anrufen" in german.phone_words


def test_named_entities_replace_the_default_ones() -> None:
    asked = selected_entities(RedactionOptions(entities=("URL", "PERSON"), ner_model="model"))
    assert set(asked.recognizers) == {"URL"}
    assert asked.names == ("PERSON",)


def test_names_are_looked_for_with_a_model_alone() -> None:
    assert selected_entities(RedactionOptions()).names == ()
    assert selected_entities(RedactionOptions(ner_model="model")).names == ("PERSON", "LOCATION")


def test_the_missing_package_is_named_with_the_command_that_brings_it() -> None:
    sentence = missing(PLACEHOLDERS, installed=lambda _: False)
    assert sentence is not None
    assert "make setup-redaction" in sentence
    assert missing(RedactionOptions(mode="off"), installed=lambda _: False) is None
    assert missing(PLACEHOLDERS, installed=lambda _: True) is None
