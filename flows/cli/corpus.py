"""What `quantgate corpus …` does, behind the command line."""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quantgate.pipelines.domain.corpus import Corpus
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.report.wording import plural
from quantgate.pipelines.specs.loading import did_you_mean

if TYPE_CHECKING:
    from quantgate.calibration.shelf.assemble import CorpusRecord
    from quantgate.calibration.shelf.model_tokens import ModelTokens
    from quantgate.flows.settings import Settings

_SPEC_ENDINGS = (".yaml", ".yml")
_KEPT_SPECS = Path(__file__).resolve().parents[2] / "calibration" / "corpora"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """The command line of `quantgate corpus build`."""

    spec: Path
    model: str | None = None
    record: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """The command line of `quantgate corpus export`."""

    reference: str
    target: Path
    model: str | None = None


def build_command(options: BuildOptions) -> int:
    """Seal a corpus and print its card."""
    from quantgate.calibration.shelf.assemble import corpus_record, read_card
    from quantgate.calibration.shelf.model_tokens import count_tokens
    from quantgate.flows.build.preparing import prepare
    from quantgate.flows.cli.views.corpus import card_sections, show_sections
    from quantgate.flows.settings import Settings

    settings = Settings.from_environment()
    prepare(settings.store)
    corpus = build_from_spec(options.spec, settings)
    counted = []
    if options.model:
        from quantgate.flows.build.corpora.sources import chat_of

        counted.append(count_tokens(corpus, options.model, chat_of(options.model, settings)))
    if options.record:
        from quantgate.flows.build.corpora.recording import record_in_registry

        record_in_registry(corpus, settings)
    record, card = corpus_record(corpus), read_card(corpus)
    if options.as_json:
        _print_json(_card_json(corpus, counted))
    else:
        show_sections(card_sections(corpus, record, card, counted))
    return 0


def list_command(*, as_json: bool) -> int:
    """Print every sealed version in the store and whether it is sound."""
    from quantgate.flows.cli.views.corpus import list_sections, show_sections
    from quantgate.flows.settings import Settings

    found = [
        (record, _state(folder)) for folder, record in _all_records(Settings.from_environment())
    ]
    if as_json:
        _print_json([{**asdict(record), "state": state} for record, state in found])
    else:
        show_sections(list_sections(found))
    return 0


def show_command(reference: str, *, as_json: bool) -> int:
    """Print a corpus's card."""
    from quantgate.calibration.shelf.assemble import corpus_record, read_card
    from quantgate.calibration.shelf.model_tokens import known_tokens
    from quantgate.flows.cli.views.corpus import card_sections, show_sections
    from quantgate.flows.settings import Settings

    corpus = find_corpus(reference, Settings.from_environment())
    tokens = tuple(known_tokens(corpus))
    if as_json:
        _print_json(_card_json(corpus, tokens))
    else:
        show_sections(card_sections(corpus, corpus_record(corpus), read_card(corpus), tokens))
    return 0


def diff_command(one: str, other: str, *, as_json: bool) -> int:
    """Print what changed from one corpus to another."""
    from quantgate.calibration.shelf.comparison import compare
    from quantgate.calibration.shelf.model_tokens import known_tokens
    from quantgate.flows.cli.views.corpus import comparison_sections, show_sections
    from quantgate.flows.settings import Settings

    settings = Settings.from_environment()
    before, after = find_corpus(one, settings), find_corpus(other, settings)
    found = compare(before, after)
    earlier = {t.statistics.tokenizer: t for t in known_tokens(before)}
    tokens = [
        (
            t.model,
            earlier[t.statistics.tokenizer].statistics.tokens.total,
            t.statistics.tokens.total,
        )
        for t in known_tokens(after)
        if t.statistics.tokenizer in earlier
    ]
    if as_json:
        named: list[JsonValue] = [
            {"model": model, "before": old, "after": new} for model, old, new in tokens
        ]
        _print_json({"tokens": list(named), **asdict(found)})
    else:
        show_sections(comparison_sections(found, tokens))
    return 0


def export_command(options: ExportOptions) -> int:
    """Write a corpus's sequences, or what a model sees of them, as JSON lines."""
    from quantgate.calibration.drawing.fetching import sequence_line
    from quantgate.calibration.drawing.rendering import rendered_text
    from quantgate.calibration.shelf.assemble import iterate_sequences
    from quantgate.flows.settings import Settings

    settings = Settings.from_environment()
    corpus = find_corpus(options.reference, settings)
    if options.target.is_dir() or not options.target.name:
        raise InputError("is a folder, not a file to write", where=str(options.target))
    if options.model:
        from quantgate.flows.build.corpora.sources import chat_of

        chat = chat_of(options.model, settings)
        lines = (
            json.dumps({"id": s.id, "text": rendered_text(s, chat)}, ensure_ascii=False) + "\n"
            for s in iterate_sequences(corpus)
        )
    else:
        lines = (sequence_line(sequence) for sequence in iterate_sequences(corpus))
    temporary = options.target.with_name(f".{options.target.name}.part")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.writelines(lines)
        temporary.replace(options.target)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise InputError(
            f"cannot be written ({error.strerror})", where=str(options.target)
        ) from error
    finally:
        with suppress(NotADirectoryError):
            temporary.unlink(missing_ok=True)
    print(f"{options.target}: {plural(corpus.sequence_count, 'sequence')} of {corpus.label}")
    return 0


def build_from_spec(spec: Path, settings: "Settings") -> Corpus:
    """Return the corpus of a spec, built now if it never was, with progress on standard error.

    Raises:
        InputError, ServiceError, WorkerError, ToolchainError: as `build_corpus`.
    """
    from quantgate.calibration.shelf.assemble import build_corpus
    from quantgate.calibration.spec import load_corpus_spec
    from quantgate.flows.build.corpora.sources import corpus_workplace, spoken
    from quantgate.flows.progress.board import PlainBoard, open_board
    from quantgate.pipelines.process.runner import run_worker

    wanted = load_corpus_spec(_spec_file(spec))
    with open_board() as board, board.unit("corpus", wanted.name) as progress:
        hear = spoken(board.say) if isinstance(board, PlainBoard) else progress
        return build_corpus(wanted, settings.store, corpus_workplace(settings, run_worker, hear))


def _spec_file(spec: Path) -> Path:
    """Return a spec's file; a bare name stands for one that is kept in calibration/corpora."""
    kept = _KEPT_SPECS / f"{spec}.yaml"
    return kept if len(spec.parts) == 1 and not spec.exists() and kept.is_file() else spec


def find_or_build(reference: str, settings: "Settings") -> Corpus:
    """Return the corpus that `NAME[@VERSION]` or a spec's path names.

    Raises:
        NotFoundError, InputError, ServiceError, WorkerError: as `find_corpus` and `build_from_spec`.
    """
    if reference.endswith(_SPEC_ENDINGS):
        return build_from_spec(Path(reference), settings)
    return find_corpus(reference, settings)


def find_corpus(reference: str, settings: "Settings") -> Corpus:
    """Return a sealed corpus by `name` (its latest version) or `name@version`, its bytes verified.

    Raises:
        NotFoundError: where the store has no such corpus or version, naming what it has.
        InputError: where its sealed files were altered.
    """
    from quantgate.calibration.shelf.assemble import open_corpus, sealed_versions

    name, _, wanted = reference.partition("@")
    folder = settings.store.root / "corpora"
    names = (
        sorted(p.name for p in folder.iterdir() if sealed_versions(p)) if folder.is_dir() else []
    )
    if name not in names:
        raise NotFoundError(
            f"there is no corpus '{name}'{did_you_mean(name, names)}",
            where=str(folder),
            next_step="`quantgate corpus list` names what is there, `corpus build SPEC` makes one",
        )
    versions = sealed_versions(folder / name)
    if wanted and wanted not in [str(version) for version in versions]:
        raise NotFoundError(
            f"corpus {name} has no version '{wanted}'; it has {', '.join(map(str, versions))}",
            where=str(folder),
        )
    return open_corpus(folder / name / (wanted or str(versions[-1])))


def _all_records(settings: "Settings") -> "Sequence[tuple[Path, CorpusRecord]]":
    from quantgate.calibration.shelf.assemble import CorpusRecord, sealed_versions
    from quantgate.pipelines.files.sealed import read_manifest

    root = settings.store.root / "corpora"
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    found = []
    for folder in (one / str(version) for one in folders for version in sealed_versions(one)):
        try:
            found.append((folder, read_manifest(folder, CorpusRecord).record))
        except InputError as error:  # one damaged version does not hide the others
            print(f"left out: {error}", file=sys.stderr)
    return found


def _state(folder: Path) -> str:
    """Say whether a sealed version is as it was sealed."""
    from quantgate.calibration.shelf.assemble import open_corpus

    try:
        open_corpus(folder)
    except InputError as error:
        return f"ALTERED: {error.what}"
    return "sound"


def _card_json(corpus: Corpus, tokens: "Sequence[ModelTokens]") -> JsonValue:
    from quantgate.calibration.shelf.assemble import corpus_record, read_card
    from quantgate.pipelines.files.records import to_json

    card = read_card(corpus)
    return {
        "corpus": corpus.label,
        "folder": str(corpus.folder),
        "record": to_json(corpus_record(corpus)),
        "card": to_json(card) if card else None,
        "tokens": [to_json(one) for one in tokens],
    }


def _print_json(value: JsonValue) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
