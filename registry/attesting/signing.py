"""Signatures by OpenSSF model-signing: a Sigstore bundle over the sha256 of every file of a folder.

Keys are of the elliptic curve NIST P-256, as PEM files: `NAME` is private, `NAME.pub` may be handed on.
"""

import logging
import os
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from quantgate.pipelines.domain.errors import InputError
from quantgate.pipelines.files.disk.full import written_at
from quantgate.pipelines.files.reading import is_there, read_bytes

_PRIVATE = 0o600


def create_key(path: Path) -> Path:
    """Write a new private key, readable by its owner alone, and its public half; return the latter's file.

    Raises:
        InputError: there is one already.
        OSError: the files cannot be written; neither is left, nor where somebody interrupts it.
    """
    public = path.with_name(f"{path.name}.pub")
    for each in (path, public):
        if each.exists():
            raise InputError(
                "is there already, and a key that was used is not replaced",
                where=str(each),
                next_step="name another file, or use the key that is there",
            )
    key = ec.generate_private_key(ec.SECP256R1())
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        with written_at(path), os.fdopen(handle, "wb") as file:
            file.write(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        with written_at(public):
            public.write_bytes(
                key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )
    except BaseException:  # half a key would stand in the way of the next try
        path.unlink(missing_ok=True)
        public.unlink(missing_ok=True)
        raise
    return public


def public_key(key: Path) -> bytes:
    """Return the public half of a private key, as PEM.

    Raises:
        InputError: it is no such key.
    """
    if not is_there(key):
        raise InputError(
            "there is no such key", where=str(key), next_step=f"make one: quantgate key {key}"
        )
    try:
        private = serialization.load_pem_private_key(read_bytes(key), password=None)
    except (ValueError, TypeError) as error:
        raise InputError(
            "is no private key that can be read",
            where=str(key),
            next_step="name the key that `quantgate key` made",
        ) from error
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def fingerprint(public: bytes) -> str:
    """Return the sha256 of a public key (DER), by which people compare keys.

    Raises:
        InputError: it is none.
    """
    try:
        key = serialization.load_pem_public_key(public)
    except ValueError as error:
        raise InputError(
            "is no public key",
            where="key.pub",
            next_step="name the .pub file that `quantgate key` made",
        ) from error
    return sha256(
        key.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).hexdigest()


def sign_folder(folder: Path, signature: Path, key: Path) -> None:
    """Sign every file of a folder; `signature` must not lie in it.

    Raises:
        InputError: the key cannot be used.
    """
    from model_signing import hashing, signing

    try:
        config = signing.Config().use_elliptic_key_signer(private_key=key)
        config.set_hashing_config(hashing.Config()).sign(folder, signature)
    except ValueError as error:
        raise InputError(
            f"cannot be used to sign ({error})",
            where=str(key),
            next_step="name an unencrypted key that `quantgate key` made",
        ) from error


def check_signature(folder: Path, signature: Path, public: Path) -> None:
    """Compare every file of a folder with its signature.

    Raises:
        InputError: a file is missing, altered or new, or another key signed.
    """
    from model_signing import verifying

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # it logs what it raises
    try:
        config = verifying.Config().use_elliptic_key_verifier(public_key=public)
        config.verify(folder, signature)
    except (ValueError, InvalidSignature, KeyError, TypeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"the signature does not hold: {said[:300]}",
            where=str(signature),
            next_step="do not use it: fetch it again from who signed it",
        ) from error
    finally:
        logging.disable(before)
