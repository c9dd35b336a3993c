"""`quantgate verify FILE`: a bundle against itself; with `--key`: who signed it, or a version."""

from collections.abc import Mapping
from pathlib import Path

from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.files.sealed import Manifest, read_manifest
from quantgate.pipelines.files.store import open_store
from quantgate.registry import resolve_reference, verify
from quantgate.registry.attesting.verification import signers, store_attestations
from quantgate.registry.proofs.checking import check_bundle


def verify_bundle_command(file: Path, key: Path | None, *, as_json: bool) -> int:
    """Check a bundle and say what it proves, and who signed it."""
    names = list[str]()

    def check_signers(folder: Path, evidence_key: str, files: Mapping[str, Digest]) -> None:
        names.extend(signers(folder, evidence_key, files, key))

    proof = check_bundle(file, check_signers)
    if as_json:
        print_plain_json({"file": file, "proof": proof, "signers": names})
        return 0
    print(f"{file}: every byte is as it was written")
    print(
        f"{proof.model}/{proof.version} ({proof.identifier}): {proof.decision} on {proof.suite}, "
        f"judged again from {proof.runs} transcripts of {proof.items} items: the same to the last digit"
    )
    print(f"its files, which are not in here, have the digest {proof.files_digest}")
    if proof.other_code is not None:
        print(f"the code that judged it was another one (quantgate {proof.other_code})")
    for signer in names:
        print(f"signed by {signer}{_TRUSTED if key else _UNKNOWN}")
    if not names:
        print("nobody signed it: whoever made it up as a whole is not found out")
    return 0


def verify_signed_command(reference: str, key: Path, *, as_json: bool) -> int:
    """Verify every byte of a registered variant, and that a key attested it."""
    version = resolve_reference(reference)
    verify(version)
    manifest: Manifest[object] = read_manifest(version.folder, object)
    evidence_key = version.facts.evidence_key
    folder = store_attestations(open_store(), evidence_key)
    files = {file.path: file.sha256 for file in manifest.files}
    (signer,) = signers(folder, evidence_key, files, key)
    if as_json:
        print_plain_json(
            {"uri": version.uri, "folder": version.folder, "every_byte": True, "signers": [signer]}
        )
    else:
        print(f"{version.uri}: every byte is as registered ({version.folder})")
        print(f"signed by {signer}{_TRUSTED}")
    return 0


_TRUSTED = ", the key that was named"
_UNKNOWN = ": whose key that is, you have to know (--key PUBLIC names one that you trust)"
