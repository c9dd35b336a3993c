"""The commands that prove registered versions to strangers."""

from pathlib import Path

import click

from quantgate.flows.cli.options import FOLDER, clean_exit, in_store

_REFERENCE = "NAME[@ALIAS|/VERSION]"


@click.command(short_help="Write one file that proves a registered version's verdict.")
@click.argument("reference", metavar=_REFERENCE)
@click.option("--to", "file", type=FOLDER, required=True, help="The file to write.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def bundle(reference: str, file: Path, as_json: bool) -> int:
    """Write a registered version's evidence as one file, which `quantgate verify FILE` checks anywhere.

    It holds suite, policy, transcripts and page, and no weights. The store has to be the one that judged it.
    """
    from quantgate.flows.cli.proofs.bundle import bundle_command

    return bundle_command(reference, file, as_json=as_json)


@click.command(short_help="Attest a registered version, signed with a key of yours.")
@click.argument("reference", metavar=_REFERENCE)
@click.option("--key", type=FOLDER, required=True, help="Private key, as `quantgate key` makes it.")
@click.option("--to", "folder", type=FOLDER, help="Folder to put a copy into.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_store
def attest(reference: str, key: Path, folder: Path | None, as_json: bool) -> int:
    """Say what a version was made from and judged by, as SLSA provenance and a CycloneDX ML-BOM, and sign it.

    Bundles that are written from then on hold it, and `quantgate verify --key PUBLIC` checks it.
    """
    from quantgate.flows.cli.proofs.attest import attest_command

    return attest_command(reference, key, folder, as_json=as_json)


@click.command(short_help="Make a key to sign attestations with.")
@click.argument("path", metavar="FILE", type=FOLDER)
@clean_exit
def key(path: Path) -> int:
    """Make a private key (NIST P-256) in FILE, readable by you alone, and its public half in FILE.pub."""
    from quantgate.flows.cli.proofs.attest import key_command

    return key_command(path)


@click.command(short_help="Write a registered version's model card.")
@click.argument("reference", metavar=_REFERENCE)
@click.option("--repository", metavar="ORG/NAME", help="Where it is to be published.")
@click.option("--to", "folder", type=FOLDER, help="Folder to write it into; else it is printed.")
@in_store
def card(reference: str, repository: str | None, folder: Path | None) -> int:
    """Write a version's model card in the form that the Hugging Face hub reads."""
    from quantgate.flows.cli.proofs.publish import card_command

    return card_command(reference, repository, folder)


@click.command(short_help="Publish a registered version on a hub: weights, card, attestation.")
@click.argument("reference", metavar=_REFERENCE)
@click.option("--to", "repository", metavar="ORG/NAME", required=True, help="The repository.")
@click.option("--yes", is_flag=True, help="Publish without a question.")
@click.option("--dry-run", is_flag=True, help="Only say what would be published.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; publishes only with --yes.")
@in_store
def publish(**options: object) -> int:
    """Publish a registered version's files, card and attestation in one commit of a repository.

    Every byte is verified before. Interrupted, the same command sends what is missing.
    """
    from quantgate.flows.cli.proofs.publish import PublishOptions, publish_command

    return publish_command(PublishOptions(**options))  # type: ignore[arg-type]  # click's keywords are the fields


COMMANDS = (bundle, attest, key, card, publish)
