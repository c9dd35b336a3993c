"""`quantgate attest` and `quantgate key`: a registered version, attested and signed."""

from pathlib import Path

from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.pipelines.files.reading import at_home
from quantgate.pipelines.files.store import open_store
from quantgate.registry import resolve_reference
from quantgate.registry.attesting.attestation import BILL, attest, copy_attestation
from quantgate.registry.attesting.signing import create_key, fingerprint, public_key
from quantgate.registry.attesting.verification import PROVENANCE, STATEMENT
from quantgate.registry.proofs.checking import this_version


def attest_command(reference: str, key: Path, folder: Path | None, *, as_json: bool) -> int:
    """Attest a version with a private key, and print where that lies."""
    key = at_home(key)
    version = resolve_reference(reference)
    made = attest(version, open_store(), key, this_version())
    if folder is not None:
        copy_attestation(made, at_home(folder))
        made = at_home(folder)
    signer = fingerprint(public_key(key))
    if as_json:
        print_plain_json({"uri": version.uri, "folder": made, "signer": signer})
    else:
        print(f"{version.uri}: attested, every byte of its files compared before")
        print(f"statement  {made / STATEMENT / PROVENANCE}")
        print(f"bill       {made / STATEMENT / BILL}")
        print(f"signed by  {signer}")
    return 0


def key_command(path: Path) -> int:
    """Make a key and print its public half's file and fingerprint."""
    public = create_key(at_home(path))
    print(f"private  {at_home(path)}: whoever has it signs as you")
    print(f"public   {public}: hand it on; {fingerprint(public.read_bytes())}")
    return 0
