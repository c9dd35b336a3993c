"""Redaction with presidio: what it finds, what it must not find, without a network, in pieces, at speed.

Every planted value is made up or a published specimen; check digits hold.
"""

import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from quantgate.calibration.redaction.entities import selected_entities
from quantgate.calibration.redaction.messages import DetectCall, Detected
from quantgate.calibration.redaction.options import RedactionOptions
from quantgate.calibration.redaction.redact import RedactionResult, redact
from quantgate.calibration.redaction.texts import parts_of
from quantgate.flows.cli.corpus.corpora import build_from_spec
from quantgate.flows.cli.corpus.drift import DriftOptions, drift_command
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.corpus import CorpusSequence
from quantgate.pipelines.domain.errors import ToolchainError
from quantgate.pipelines.domain.suites.suite import Message
from quantgate.pipelines.files.records import to_json
from quantgate.pipelines.process.calls import WorkerCall, ignore_progress
from quantgate.pipelines.process.runner import run_worker
from tests.support.project import PROJECT
from tests.support.real_rows import real_rows

pytestmark = pytest.mark.integration

EVERYWHERE = RedactionOptions(
    mode="enforce",
    languages=("en", "de", "es", "fr", "it", "pl", "fi", "sv", "sw", "hi", "ko", "th", "tr", "zh", "ja"),
    countries=(
        "us", "gb", "de", "es", "fr", "it", "pl", "fi", "se", "in", "ca", "tr", "kr", "th", "za",
        "sg", "au", "ke", "cn", "jp",
    ),
)  # fmt: skip
EXAMPLE = RedactionOptions(mode="enforce", languages=("en", "de", "es", "fr", "sw"))

PLANTED = (
    ("EMAIL_ADDRESS", "maria.huber@example.org", "Meine Adresse ist {}, bitte antworten Sie."),
    ("EMAIL_ADDRESS", "j.o'neill+shop@mail.co.uk", "You can write to {} any time"),
    ("EMAIL_ADDRESS", "søren@firma.dk", "Skriv til {}."),
    ("EMAIL_ADDRESS", "info@münchen.de", "Escriba a {} por favor"),
    ("EMAIL_ADDRESS", "jo@mail.intern", "mon courriel est {}"),
    ("EMAIL_ADDRESS", "asha_2@posta.co.ke", "barua pepe yangu ni {} asante"),
    ("PHONE_NUMBER", "+49 761 1234567", "Sie erreichen mich unter {}."),
    ("PHONE_NUMBER", "0761 2035000", "Mein Telefon: {}"),
    ("PHONE_NUMBER", "(212) 736-5000", "reach me at {} after six"),
    ("PHONE_NUMBER", "212-736-5000", "It is {} if you need it"),
    ("PHONE_NUMBER", "2127365000", "my phone is {}"),
    ("PHONE_NUMBER", "020 7946 0958", "{} is the office"),
    ("PHONE_NUMBER", "01 42 68 53 00", "Appelez-moi au {} demain"),
    ("PHONE_NUMBER", "912 34 56 78", "mi teléfono es el {}"),
    ("PHONE_NUMBER", "0712 345678", "Nipigie simu kwa {} kesho"),
    ("PHONE_NUMBER", "+254712345678", "namba ni {}"),
    ("PHONE_NUMBER", "13812345678", "我的电话{}请联系"),
    ("PHONE_NUMBER", "03-1234-5678", "電話は{}です"),
    ("CREDIT_CARD", "4111 1111 1111 1111", "charge {} please"),
    ("CREDIT_CARD", "5500-0000-0000-0004", "meine Karte ist {}"),
    ("CREDIT_CARD", "378282246310005", "tarjeta {}"),
    ("IBAN_CODE", "DE89 3704 0044 0532 0130 00", "Überweisen Sie auf {}."),
    ("IBAN_CODE", "GB29NWBK60161331926819", "account {} thanks"),
    ("IBAN_CODE", "FR14 2004 1010 0505 0001 3M02 606", "compte {}"),
    ("IP_ADDRESS", "81.2.69.142", "my server {} is down"),
    ("IP_ADDRESS", "2001:db8:85a3::8a2e:370:7334", "Adresse {} antwortet nicht"),
    ("MAC_ADDRESS", "00:1A:2B:3C:4D:5E", "el router {} no responde"),
    ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "send it to {}"),
    ("US_SSN", "536-90-4399", "my social security number is {}"),
    ("US_PASSPORT", "483920175", "passport {}"),
    ("UK_NHS", "943 476 5919", "patient {}"),
    ("UK_NINO", "AB123456C", "insurance {}"),
    ("UK_PASSPORT", "AB1234567", "my passport {}"),
    ("DE_TAX_ID", "86095742719", "Meine Steuer-ID lautet {}"),
    ("DE_SOCIAL_SECURITY", "65170839J003", "Rentenversicherungsnummer {}"),
    ("DE_ID_CARD", "L01X00T44", "Personalausweis {}"),
    ("ES_NIF", "12345678Z", "mi DNI es {}"),
    ("ES_NIE", "X1234567L", "mi NIE es {}"),
    ("IT_FISCAL_CODE", "RSSMRA85T10A562S", "codice fiscale {}"),
    ("PL_PESEL", "44051401359", "mój PESEL to {}"),
    ("FI_PERSONAL_IDENTITY_CODE", "131052-308T", "henkilötunnus {}"),
    ("SE_PERSONNUMMER", "811218-9876", "personnummer {}"),
    ("IN_PAN", "ABCPE1234F", "my PAN is {}"),
    ("IN_AADHAAR", "2341 2341 2346", "Aadhaar {}"),
    ("TR_NATIONAL_ID", "10000000146", "TC kimlik no {}"),
    ("KR_RRN", "960121-1234568", "주민등록번호 {}"),
    ("TH_TNIN", "1101700230708", "เลขประจำตัวประชาชน {}"),
    ("ZA_ID_NUMBER", "8001015009087", "my ID number is {}"),
    ("SG_NRIC_FIN", "S1234567D", "NRIC {}"),
    ("AU_TFN", "876 543 210", "tax file number {}"),
    ("AU_MEDICARE", "2123 45670 1", "medicare {}"),
)
HARMLESS = (
    "Order SZR-0478680 and QK-49343, please.",
    "Where is my parcel 4111-22?",
    "Invoice 171194637 of 2024-05-06 is 205.95 euro.",
    "It cost $1,234,567.89 in total, or 1.234.567,89 €.",
    "Python 3.11.7, torch 2.13.0+cu126, version 10.0.19041.1",
    "On 06.05.2024 at 12:34:56, or 2024-05-06T12:34:56Z, or 12/31/1999.",
    "Bitte tragen Sie 4449168 für den Zähler 5277524294 ein.",
    "move 677 points from account 168824 to account 592321",
    "Please give account 958724 185 points from account 192305.",
    "ISBN 978-3-16-148410-0 is out of print",
    "pi is 3.14159265358979 and e is 2.718281828459045",
    "uuid 550e8400-e29b-41d4-a716-446655440000",
    "commit 81d82e0a7c1f5be0f1f5c2b6a9d1e0c3b4a59687 fixed it",
    "Between 1914 1918 and 1939 1945 there were 20 000 000 of them.",
    "card 4111 1111 1111 1112 was declined",
    "IBAN DE89 3704 0044 0532 0130 01 is wrong",
    "The population was 164 000 in 1990 and 350 000 in 2010",
    "48.8566, 2.3522 are the coordinates 0.2927246",
    "git@ is not an address, @maria is a handle, 3@4.50 each",
    "def f(x): return x[0::2] if a::b else std::vector",
    "Room 12, 3rd floor, 221B Baker Street, NW1 6XE",
    "1 2 3 4 5 6 7 8 9 10 11 12",
    "The score was 21-19, 18-21, 21-15 in 2019-2020",
    "tracking 1Z999AA10123456784 and EAN 4006381333931",
    "192.168 is a prefix; section 4.1.2; 10:30-11:45",
    "call me tomorrow at 10:30 about invoice AB-171194637",
    "Ring me on 06.05.2024 at 10:55",
    "We have 1000000 users and 25000000 rows",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("redactions")


def texts(*contents: str) -> tuple[CorpusSequence, ...]:
    return tuple(CorpusSequence(id=str(n), text=text) for n, text in enumerate(contents))


def look(
    sequences: tuple[CorpusSequence, ...], folder: Path, options: RedactionOptions = EVERYWHERE
) -> RedactionResult:
    return redact(sequences, options, run_worker=run_worker, folder=folder)


def example_rows() -> tuple[CorpusSequence, ...]:
    file = PROJECT / "examples" / "support-desk" / "traffic" / "messages.jsonl"
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return tuple(
        CorpusSequence(id=row["id"], messages=tuple(Message(**m) for m in row["messages"]))
        for row in rows
    )


def call(source: Path, findings: Path, options: RedactionOptions = EXAMPLE) -> DetectCall:
    asked = selected_entities(options)
    return DetectCall(
        sequences=source,
        findings=findings,
        recognizers=asked.recognizers,
        names=asked.names,
        phone_regions=asked.phone_regions,
        phone_words=asked.phone_words,
        threshold=options.threshold,
        ner_model=options.ner_model,
    )


def test_every_planted_value_is_found_whole_in_its_sentence(folder: Path) -> None:
    result = look(texts(*(sentence.format(value) for _, value, sentence in PLANTED)), folder)
    for (entity, value, sentence), sequence in zip(PLANTED, result.sequences, strict=True):
        begin, end = sentence.split("{}")
        assert sequence.text.startswith(f"{begin}<"), (entity, value, sequence.text)
        assert sequence.text.endswith(f">{end}"), (entity, value, sequence.text)
    called = {count.entity: count.found for count in result.report.counts}
    for entity in {entity for entity, _, _ in PLANTED} - {"DE_ID_CARD"}:  # a German passport's form
        assert called.get(entity, 0) >= 1, entity


def test_order_numbers_versions_prices_and_dates_are_left_alone(folder: Path) -> None:
    result = look(texts(*HARMLESS), folder)
    assert [sequence.text for sequence in result.sequences] == list(HARMLESS)


def test_the_examples_addresses_and_phones_are_all_found_and_its_other_numbers_never(
    folder: Path,
) -> None:
    rows = example_rows()
    result = look(rows, folder, EXAMPLE)
    planted, found = set(), set()
    for before, after in zip(rows, result.sequences, strict=True):
        for value in personal_values(before):
            planted.add((before.id, value))
            if all(value not in message.content for message in after.messages):
                found.add((before.id, value))
    assert len(planted) > 180
    assert found == planted
    phones = [c for c in result.report.counts if c.entity == "PHONE_NUMBER"]
    with_phone = sum('"phone"' in row.messages[1].content for row in rows)
    assert [count.sequences for count in phones] == [with_phone]
    assert {count.entity for count in result.report.counts} == {"EMAIL_ADDRESS", "PHONE_NUMBER"}


def personal_values(sequence: CorpusSequence) -> Iterator[str]:
    answer = sequence.messages[1].content
    arguments = json.loads(answer).get("arguments", {}) if answer.startswith("{") else {}
    yield from (arguments[name] for name in ("email", "phone") if name in arguments)


def test_school_mathematics_holds_no_personal_data(folder: Path) -> None:
    rows = texts(*(row["prompt"] for row in [*real_rows("gsm8k_test"), *real_rows("mgsm")]))
    assert look(rows, folder, EXAMPLE).report.finding_count == 0


def test_encyclopedia_articles_hold_almost_none(folder: Path) -> None:
    rows = texts(*(row["text"] for row in real_rows("wikitext2")))
    assert look(rows, folder, EXAMPLE).report.finding_count <= 2


def test_the_same_rows_give_the_same_bytes_whatever_was_kept(tmp_path: Path) -> None:
    rows = example_rows()[:200]
    first = look(rows, tmp_path / "a", EXAMPLE)
    second = look(rows, tmp_path / "b", EXAMPLE)
    assert first == second


def test_no_name_is_looked_up_and_no_connection_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import pathlib, sys\n"
        "def watch(event, arguments):\n"
        "    if event in ('socket.getaddrinfo', 'socket.connect', 'socket.gethostbyname'):\n"
        f"        pathlib.Path({str(tmp_path / 'touched')!r}).write_text(repr((event, arguments)))\n"
        "sys.addaudithook(watch)\n"
        f"pathlib.Path({str(tmp_path / 'watched')!r}).write_text('')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    started = time.monotonic()
    result = look(texts("write to maria.huber@example.org"), tmp_path / "kept", EXAMPLE)
    assert result.report.finding_count == 1
    assert (tmp_path / "watched").exists()
    assert not (tmp_path / "touched").exists()
    assert time.monotonic() - started < 60


def test_an_interrupted_look_goes_on_behind_its_last_whole_line(tmp_path: Path) -> None:
    rows = example_rows()[:60]
    source, findings, whole = (tmp_path / name for name in ("rows", "findings", "whole"))
    source.write_text("".join(json.dumps(to_json(row)) + "\n" for row in rows))
    for file in (whole, findings):
        if file is findings:
            lines = whole.read_text().splitlines(keepends=True)
            findings.write_text("".join(lines[:25]) + "[[0, 3,")
        reply = run_worker(
            WorkerCall(
                module="quantgate.calibration.workers.redact",
                request=call(source, file),
                log=tmp_path / "log",
                threads=1,
            ),
            Detected,
            ignore_progress,
        ).value
    assert reply == Detected(sequences=60, looked_through=35)
    assert findings.read_bytes() == whole.read_bytes()


def test_names_are_found_by_a_model_and_not_without_one(tmp_path: Path) -> None:
    import spacy

    pipeline = spacy.blank("de")
    rules = [{"label": "PER", "pattern": "Maria Huber"}, {"label": "LOC", "pattern": "Freiburg"}]
    pipeline.add_pipe("entity_ruler").add_patterns(rules)
    pipeline.to_disk(tmp_path / "model")
    rows = texts("Ich bin Maria Huber aus Freiburg. Maria Huber, Telefon 0761 2035000.")
    without = look(rows, tmp_path / "kept", EXAMPLE)
    assert "Maria Huber" in without.sequences[0].text
    assert not without.report.names_looked_for
    model = RedactionOptions(mode="enforce", languages=("de",), ner_model=str(tmp_path / "model"))
    with_model = look(rows, tmp_path / "kept", model)
    assert with_model.report.names_looked_for
    assert with_model.sequences[0].text == (
        "Ich bin <PERSON_1> aus <LOCATION_1>. <PERSON_1>, Telefon <PHONE_1>."
    )


def test_a_model_that_is_not_installed_is_named(tmp_path: Path) -> None:
    options = RedactionOptions(mode="enforce", ner_model="xx_absent_model")
    with pytest.raises(ToolchainError, match="xx_absent_model"):
        look(texts("hello"), tmp_path, options)


def test_any_text_is_looked_through(folder: Path) -> None:
    odd = (
        "",
        "\x00\u2028\uffff",
        "a" * 200_000,
        "1" * 50_000,
        "1-" * 20_000,
        "@" * 20_000,
        "x@" * 10_000,
    )
    result = look(texts(*odd), folder, EXAMPLE)
    assert result.report.sequences == len(odd)
    assert result.sequences[2].text == odd[2]


def test_what_stands_across_two_windows_of_a_long_text_is_found_whole(folder: Path) -> None:
    filler = "no order has come "
    rows = texts(
        *(
            (filler * 300)[:offset] + " maria.huber@example.org " + filler * 300
            for offset in range(3700, 4100, 20)
        )
    )
    for sequence in look(rows, folder, EXAMPLE).sequences:
        assert "<EMAIL_1>" in sequence.text
        assert "huber" not in sequence.text
        assert "example" not in sequence.text


def test_hundreds_of_rows_are_looked_through_a_second(tmp_path: Path) -> None:
    rows = tuple(
        CorpusSequence(id=f"{n}-{row.id}", messages=row.messages)
        for n in range(2)
        for row in example_rows()
    )
    source = tmp_path / "rows"
    source.write_text("".join(json.dumps(to_json(row)) + "\n" for row in rows))
    before = os.times()
    run_worker(
        WorkerCall(
            module="quantgate.calibration.workers.redact",
            request=call(source, tmp_path / "findings"),
            log=tmp_path / "log",
            threads=1,
        ),
        Detected,
        ignore_progress,
    )
    after = os.times()
    seconds = after.children_user - before.children_user
    assert len(rows) / seconds > 250  # of processor time, its start included; twice that when quiet
    assert parts_of(rows[0])


def asked(count: int, *, domain: str, seed: int) -> str:
    """Rows of one kind of traffic: from one domain to another nothing differs but addresses."""
    draw, rows = random.Random(seed), []
    for at in range(count):
        order, item = draw.randint(10000, 99999), draw.choice(("lamp", "table", "chair", "shelf"))
        question = f"please send the invoice of {item} {order} to person.{at}@{domain} again"
        user = {"role": "user", "content": question}
        answer = {"role": "assistant", "content": f"the invoice of {order} was sent"}
        rows.append(json.dumps({"messages": [user, answer]}))
    return "\n".join(rows)


def test_drift_looks_at_redacted_traffic_and_keeps_no_personal_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUANTGATE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    (tmp_path / "rows.jsonl").write_text(asked(300, domain="example.org", seed=1))
    (tmp_path / "corpus.yaml").write_text(
        "name: desk\nsequences: 250\nsources: [{path: rows.jsonl}]\n"
        "redaction: {mode: enforce, languages: [en]}\n"
    )
    settings = Settings.from_environment()
    corpus = build_from_spec(tmp_path / "corpus.yaml", settings)
    (tmp_path / "today.jsonl").write_text(asked(300, domain="mail.example.net", seed=2))
    today = str(tmp_path / "today.jsonl")
    assert drift_command(DriftOptions(corpus=corpus.label, traffic=today, as_json=True)) == 0
    kept = [path for path in settings.store.root.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"mail.example.net" in path.read_bytes()]
    assert "example.net" not in capsys.readouterr().out
