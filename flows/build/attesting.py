"""Attesting what is registered, where a key is set: by the machine that built it, right then."""

from quantgate.flows.build.tracking import tracking
from quantgate.flows.settings import ATTEST_VARIABLE, Settings
from quantgate.pipelines.domain.errors import InputError, NotFoundError
from quantgate.pipelines.specs.builds import BuildSpec
from quantgate.registry import Receipt
from quantgate.registry.champions.judged import as_judged
from quantgate.registry.opening import open_reader
from quantgate.registry.proofs.checking import this_version
from quantgate.registry.protocol import OpenReader
from quantgate.registry.questions.versions import trusted


def refuse_unusable_key(spec: BuildSpec, settings: Settings) -> None:
    """Refuse to build what could not be attested as it is asked for.

    Raises:
        InputError: the build asks for it and no key is set, or the key that is set is none.
    """
    if settings.attest_key is not None:
        from quantgate.registry.attesting.signing import public_key

        public_key(settings.attest_key)
    elif spec.attest:
        raise InputError(
            "the build asks for attestations (attest: true), and no key is set",
            where=ATTEST_VARIABLE,
            next_step="make a key (quantgate key FILE) and set it to that file",
        )


def attest_registered(
    receipt: Receipt, settings: Settings, *, open_reader: OpenReader = open_reader
) -> None:
    """Attest the version that evidence made, unless it is already, or no key is set.

    Raises:
        InputError: its files are not those that were registered, or the key cannot be used.
        NotFoundError: it is not there any more.
        ServiceError: the registry does not answer.
    """
    if settings.attest_key is None or receipt.version is None:
        return
    from quantgate.registry.attesting.attestation import attest

    where = tracking(settings)
    with open_reader(where) as reader:
        recorded = reader.version(receipt.model, receipt.version)
        if recorded is None:
            raise NotFoundError(
                "is not there any more",
                where=f"{receipt.model}/{receipt.version}",
                next_step="`quantgate history NAME` lists what is registered",
            )
        seen = as_judged(recorded, receipt.alias)
        version = trusted(reader, receipt.model, seen, where.store)
    attest(version, where.store, settings.attest_key, this_version())
