"""Registering what was judged; while the registry cannot be reached, it waits in the store."""

from collections.abc import Callable
from dataclasses import dataclass

from quantgate.flows.build.attesting import attest_registered
from quantgate.flows.build.corpora.recording import record_in_registry
from quantgate.flows.build.local_build import LocalBuild
from quantgate.flows.build.tracking import UNREACHABLE, tracking
from quantgate.flows.build.verdicts import evidence
from quantgate.flows.settings import Settings
from quantgate.pipelines.domain.errors import QuantgateError, ServiceError
from quantgate.pipelines.domain.values import Digest
from quantgate.pipelines.variants.variant import PlannedVariant
from quantgate.registry import Receipt, find_receipt, record, still_recorded
from quantgate.registry.opening import open_mlflow
from quantgate.registry.protocol import OpenRegistry
from quantgate.registry.recording import pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """What became of a registration that waited: a receipt, or why it waits on."""

    identifier: str
    receipt: Receipt | None
    error: QuantgateError | None


def register(
    build: LocalBuild, planned: PlannedVariant, *, open_registry: OpenRegistry = open_mlflow
) -> Receipt:
    """Record a judged variant in MLflow, unless the registry provably holds it already.

    Raises:
        ServiceError, ToolchainError: MLflow does not answer or refuses; `register_waiting` tries again.
        InputError: it is registered, and cannot be attested by the key that is set.
    """
    judged, where = evidence(build, planned), tracking(build.settings)
    receipt = find_receipt(judged.key, where)
    if (
        receipt is not None
        and names_files(
            receipt, str(judged.variant.folder.absolute()), judged.variant.manifest_digest
        )
        and still_recorded(receipt, where)
    ):
        attest_registered(receipt, build.settings)
        return receipt
    corpus = build.plan.corpus_of(planned)
    with build.show("register", planned.identifier):
        try:
            if corpus is not None:
                record_in_registry(corpus, build.settings, open_registry=open_registry)
            receipt = record(judged, where, open_registry=open_registry)
        except UNREACHABLE as error:
            pending.queue(judged, corpus, where, error)
            raise
    pending.forget(judged.key, where)
    attest_registered(receipt, build.settings)
    return receipt


def register_waiting(
    settings: Settings,
    say: Callable[[str], None],
    *,
    open_registry: OpenRegistry = open_mlflow,
) -> tuple[Registered, ...]:
    """Register what waits for this registry, oldest first, and return what became of it.

    One that is refused stays and stops no other; where the registry still does not answer, none is tried
    after the first. `say` hears what is done.

    Raises:
        InputError: a file of what waits is damaged.
    """
    where = tracking(settings)
    done: list[Registered] = []
    for waiting in pending.waiting(where):
        identifier = waiting.evidence.variant.identifier
        try:
            if waiting.corpus is not None:
                record_in_registry(waiting.corpus, settings, open_registry=open_registry)
            receipt = record(waiting.evidence, where, open_registry=open_registry)
            attest_registered(receipt, settings)
        except QuantgateError as error:
            done.append(Registered(identifier=identifier, receipt=None, error=error))
            if isinstance(error, ServiceError) and error.transient:
                break
            continue
        pending.forget(waiting.evidence.key, where)
        done.append(Registered(identifier=identifier, receipt=receipt, error=None))
        say(f"registered {identifier}, which waited since {waiting.queued_at}")
    return tuple(done)


def names_files(receipt: Receipt, location: str, manifest_digest: Digest) -> bool:
    """Whether a receipt names these very files, where they lie now."""
    return (receipt.location, receipt.manifest_digest) == (location, manifest_digest)
