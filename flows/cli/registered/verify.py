"""`quantgate verify`: a registered variant's files against the digests that it was registered with."""

from quantgate.flows.cli.views.plain import print_plain_json
from quantgate.registry import resolve_reference, verify, verify_listing


def verify_command(reference: str, *, quick: bool, as_json: bool) -> int:
    """Verify all bytes, or quickly what can be compared without reading them."""
    version = resolve_reference(reference)
    (verify_listing if quick else verify)(version)
    if as_json:
        print_plain_json({"uri": version.uri, "folder": version.folder, "every_byte": not quick})
    else:
        proved = "facts, manifest, names and sizes are" if quick else "every byte is"
        print(f"{version.uri}: {proved} as registered ({version.folder})")
        if quick:
            print("no file was read: without --quick each is hashed")
    return 0
