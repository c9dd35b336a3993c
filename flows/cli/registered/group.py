"""The commands that ask a registry; each imports the module beside this one that does it."""

from pathlib import Path

import click

from quantgate.flows.cli.options import FOLDER, FORMATS, in_store
from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.reading import holds_file

_REFERENCE = "NAME[@ALIAS|/VERSION]"
_SORTS = click.Choice(["size", "accuracy", "speed"], case_sensitive=False)


@click.command(short_help="Print the best passing variant of a model.")
@click.argument("model")
@click.option("--suite", help="Only versions judged on this suite.")
@click.option("--runtime", help="Only versions judged in this runtime.")
@click.option("--format", "file_format", type=FORMATS, help="Only versions in this format.")
@click.option("--max-size", help="Only versions up to this size, e.g. 6GB or 500MiB.")
@click.option(
    "--max-bits", type=float, help="Only versions up to so many bits a weight, over all weights."
)
@click.option(
    "--kv", metavar="TYPE", help="Only versions judged with this KV cache: f16, q8_0, q4_0."
)
@click.option(
    "--sort", type=_SORTS, default="size", show_default=True, help="Which one is the best."
)
@click.option(
    "--all", "everything", is_flag=True, help="Print every version that fits, best first."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def lookup(model: str, **options: object) -> int:
    """Print the best passing variant of MODEL, by default the smallest: where it lies, its verdict.

    Without a wish but --suite this is the version that MODEL@SUITE points at.
    """
    from quantgate.flows.cli.registered.lookup import LookupOptions, lookup_command

    return lookup_command(LookupOptions(model=model, **options))  # type: ignore[arg-type]  # click's keywords are the fields


@click.command(short_help="Print what a registered variant was made from.")
@click.argument("reference", metavar=_REFERENCE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def lineage(reference: str, as_json: bool) -> int:
    """Print which corpus a registered variant was quantized against, and its whole lineage."""
    from quantgate.flows.cli.registered.lineage import lineage_command

    return lineage_command(reference, as_json=as_json)


@click.command(short_help="Print a model's versions, and what its aliases stood for.")
@click.argument("model")
@click.option("--all", "everything", is_flag=True, help="Print all of them, not the newest twenty.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def history(model: str, everything: bool, as_json: bool) -> int:
    """Print MODEL's versions, newest first, and when and why its aliases were pointed elsewhere."""
    from quantgate.flows.cli.registered.history import history_command

    return history_command(model, everything=everything, as_json=as_json)


@click.command(short_help="Compare two registered versions or two builds, item by item.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def compare(first: str, second: str, as_json: bool) -> int:
    """Compare versions A and B (NAME, NAME@ALIAS or NAME/VERSION): facts, and items they answer unalike.

    A and B may also be two builds of the store, by their names or how these begin: of two releases of a
    model, two corpora, two engines. Then the base and every variant that both have are compared.
    """
    from quantgate.flows.cli.reports.kinds import are_builds

    if are_builds(first, second):
        from quantgate.flows.cli.reports.comparing import compare_builds_command

        return compare_builds_command(first, second, as_json=as_json)
    from quantgate.flows.cli.registered.compare import compare_command

    return compare_command(first, second, as_json=as_json)


@click.command(short_help="Prove that a registered variant's files are the same.")
@click.argument("reference", metavar=f"{_REFERENCE}|FILE")
@click.option(
    "--quick", is_flag=True, help="Compare facts, manifest, names and sizes; hash no file."
)
@click.option("--key", type=FOLDER, help="Public key that has to have attested it.")
@click.option("--judge", is_flag=True, help="Judge its transcripts again, where they are here.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def verify(reference: str, quick: bool, key: Path | None, judge: bool, as_json: bool) -> int:
    """Hold a registered variant's files against the digests that it was registered with.

    It may also be a file that `quantgate bundle` wrote: then all of it is checked, and its transcripts
    are judged once more, without store, registry, model or GPU.

    Exit codes: 0 they are the same, 2 something was altered or is not here, 12 there is no such version.
    """
    asked = (("--quick", quick), ("--key", key is not None), ("--judge", judge))
    _refuse_together([name for name, given in asked if given], is_file=Path(reference).is_file())
    if Path(reference).is_file():
        from quantgate.flows.cli.proofs.verify import verify_bundle_command

        return verify_bundle_command(Path(reference), key, as_json=as_json)
    is_path = reference.startswith(("/", "./", "../", "~")) or reference.endswith(".bundle")
    if is_path and not holds_file(Path(reference)):
        raise InputError(
            "there is no such file",
            where=reference,
            next_step="check how it is spelled; `quantgate bundle` writes one",
        )
    if judge:
        from quantgate.flows.cli.proofs.bundle import verify_judged_command

        return verify_judged_command(reference, as_json=as_json)
    if key is not None:
        from quantgate.flows.cli.proofs.verify import verify_signed_command

        return verify_signed_command(reference, key, as_json=as_json)
    from quantgate.flows.cli.registered.verify import verify_command

    return verify_command(reference, quick=quick, as_json=as_json)


def _refuse_together(asked: list[str], *, is_file: bool) -> None:
    """Refuse options that would be passed over: each is a check of its own, and a file is judged anyway."""
    if len(asked) > 1:
        raise InputError(
            f"{' and '.join(asked)} are checks of their own",
            where="quantgate verify",
            next_step="ask for one of them at a time",
        )
    if is_file and asked and asked != ["--key"]:
        raise InputError(
            f"{asked[0]} is for registered versions: a file is always checked as a whole",
            where="quantgate verify",
            next_step="leave it out",
        )


@click.command(short_help="Fetch a registered variant's files, verified.")
@click.argument("reference", metavar=_REFERENCE)
@click.option("--to", "folder", type=FOLDER, required=True, help="Folder to put its folder into.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def pull(reference: str, folder: Path, as_json: bool) -> int:
    """Fetch a registered variant into a folder, verify every byte, and print what serves it.

    Interrupted, the same command goes on where it stopped.
    """
    from quantgate.flows.cli.registered.pull import pull_command

    return pull_command(reference, folder, as_json=as_json)


@click.command(short_help="Point an alias at its last champion.")
@click.argument("reference", metavar="MODEL@SUITE")
@click.option("--to", metavar="VERSION", help="That version instead of the last champion.")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--who", help="Who decides (default: your user name).")
@in_store
def rollback(reference: str, to: str | None, reason: str, who: str | None) -> int:
    """Point the alias SUITE of MODEL at the version that was champion before this one.

    That holds until a version wins that is registered later: smaller and judged alike, or of a newer base,
    suite or policy. Exit codes: 0 done, 2 that version may not be champion, 12 there is none, 6 an error.
    """
    from quantgate.flows.cli.registered.decide import rollback_command

    return rollback_command(reference, to=to, reason=reason, who=who)


@click.command(short_help="Take a version out of use for good.")
@click.argument("reference", metavar="NAME/VERSION")
@click.option("--reason", required=True, help="Why, for the record.")
@click.option("--who", help="Who decides (default: your user name).")
@in_store
def retire(reference: str, reason: str, who: str | None) -> int:
    """Take the version NAME/VERSION out of use for good; aliases leave it."""
    from quantgate.flows.cli.registered.decide import retire_command

    return retire_command(reference, reason=reason, who=who)


@click.command(short_help="Waive a verdict against a version, for a time.")
@click.argument("reference", metavar="NAME/VERSION")
@click.option("--suite", help="Whose verdict, where several suites judged the version.")
@click.option("--reason", required=True, help="Why that is bearable.")
@click.option("--who", required=True, help="Who says so.")
@click.option("--until", metavar="DATE", required=True, help="Last day on which it holds.")
@in_store
def waive(reference: str, suite: str | None, reason: str, who: str, until: str) -> int:
    """Let the version NAME/VERSION be champion until DATE (YYYY-MM-DD) although it does not pass.

    The waiver stays in its lineage for ever, and covers this verdict alone: a later one needs its own.
    """
    from quantgate.flows.cli.registered.decide import waive_command

    return waive_command(reference, suite=suite, reason=reason, who=who, until=until)


@click.command(short_help="Register what waits for its registry.")
@click.option(
    "--pending", is_flag=True, required=True, help="What a build could not register (the only way)."
)
@in_store
def register(pending: bool) -> int:  # noqa: ARG001 - --pending is the only way as yet
    """Register what was judged while the registry could not be reached; the next build does it, too.

    Exit codes: 0 nothing waits any more, 13 something still does (its error is printed), 2-6 an error.
    """
    from quantgate.flows.cli.registered.register import register_command

    return register_command()


COMMANDS = (
    *(lookup, lineage, history, compare, verify, pull),
    *(rollback, retire, waive, register),
)
