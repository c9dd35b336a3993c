"""What a look-up shows: a version, where it lies, what was proved of it."""

from collections.abc import Sequence

from quantgate.flows.cli.views.plain import print_facts, print_table
from quantgate.flows.cli.views.sizes import megabytes
from quantgate.registry import RegisteredVersion, VersionFacts


def show_version(version: RegisteredVersion) -> None:
    """Print a look-up's answer: what it is, where it lies, what was proved of it."""
    facts = version.facts
    aliases = "".join(f" @{alias}" for alias in version.aliases)
    lines = (
        ("variant", f"{facts.identifier} ({facts.format})"),
        ("version", f"{version.model}/{version.version}{aliases}"),
        (
            "path",
            str(version.artifact)
            if version.is_here
            else f"{version.artifact} (not on this machine)",
        ),
        ("uri", version.uri),
        ("size", f"{megabytes(facts.size_bytes)}, {_bits_of(facts)}"),
        ("numerics", facts.numerics),
        *([("base", facts.base_note)] if facts.base_note else []),
        ("verdict", f"{facts.verdict} on {facts.suite} in {facts.runtime}"),
        *([("accuracy", _accuracy_of(facts))] if facts.reference_accuracy is not None else []),
        *([("speed", speed)] if (speed := _speed_of(facts)) else []),
        ("unproven", ", ".join(facts.unproven_slices) or "no slice"),
        ("corpus", facts.corpus),
        *([("origin", str(facts.origin))] if facts.origin.is_foreign else []),
        *([("traffic", str(version.drift))] if version.drift else []),
        *([("facts", note)] if (note := version.seal_note) else []),
    )
    print_facts(lines, indent=10)


def show_versions(versions: Sequence[RegisteredVersion]) -> None:
    """Print versions as a table, one a line; how fast each is beside its base, where any was timed."""
    timed = any(version.facts.speed.ratio is not None for version in versions)
    heads = ("version", "variant", "format", "runtime", "KV", "size", "bits", "accuracy")
    rows = [(*heads, *(["speed"] if timed else []), "suite")]
    for version in versions:
        facts, whole = version.facts, version.facts.file_bits_per_weight
        rows.append(
            (
                version.version + "".join(f" @{alias}" for alias in version.aliases),
                facts.identifier,
                facts.format,
                facts.runtime.engine,
                facts.runtime.kv_cache,
                megabytes(facts.size_bytes),
                f"{facts.bits_per_weight if whole is None else whole:.2f}",
                "–" if facts.accuracy is None else f"{facts.accuracy:.1%}",
                *([_ratio_of(facts)] if timed else []),
                facts.suite,
            )
        )
    print_table(rows)


def _ratio_of(facts: VersionFacts) -> str:
    return "–" if facts.speed.ratio is None else f"{facts.speed.ratio:.2f}×"


def _bits_of(facts: VersionFacts) -> str:
    bits = f"{facts.bits_per_weight:.2f} bits per quantized weight"
    whole = facts.file_bits_per_weight
    return bits if whole is None else f"{bits}, {whole:.2f} of all"


def _speed_of(facts: VersionFacts) -> str:
    """Say what was measured beside the base; else how fast it answered when it was judged; "" for neither."""
    timed = facts.speed
    if timed.ratio is not None and timed.generated_tokens_per_second is not None:
        memory = timed.peak_memory_bytes
        held = f", {megabytes(round(memory))} resident at most" if memory is not None else ""
        return (
            f"{timed.generated_tokens_per_second:,.1f} tokens a second one request at a time, "
            f"{timed.ratio:.2f} of its base's{held}"
        )
    if facts.tokens_per_second is None:
        return ""
    return f"{facts.tokens_per_second:,.0f} tokens a second when it was judged"


def _accuracy_of(facts: VersionFacts) -> str:
    """Say what the base gets right, beside the variant: a pass is never worth more."""
    base = facts.reference_accuracy or 0.0
    rates = f"{facts.accuracy or 0.0:.1%}, where its base has {base:.1%}"
    return f"{rates}; {facts.base_warning}" if facts.base_warning else rates
