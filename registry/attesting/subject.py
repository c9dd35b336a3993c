"""What an attestation is about: a version's facts, and every one of its files by sha256."""

from dataclasses import dataclass

from quantgate.pipelines.files import sealed
from quantgate.registry.facts import VersionFacts
from quantgate.registry.integrity import verified_manifest
from quantgate.registry.questions.versions import RegisteredVersion
from quantgate.registry.tags import NONE

CONTENT = "quantgateSha256"
"""Name of our digests of contents (sha256 of canonical JSON, or over files) among those of plain files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Something that a version was made from or judged by; `digests` maps algorithms to values."""

    role: str
    name: str
    digests: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """A version and its files. `manifest` is the sealed one, which was compared with what is registered."""

    version: RegisteredVersion
    manifest: sealed.Manifest[object]

    @property
    def facts(self) -> VersionFacts:
        """What is registered of it."""
        return self.version.facts

    @property
    def name(self) -> str:
        """The version's name and number."""
        return f"{self.version.model}/{self.version.version}"

    @property
    def materials(self) -> tuple[Material, ...]:
        """Base, corpus, recipe, toolchain, suite and policy; no corpus where none was calibrated on."""
        facts, digests = self.facts, self.facts.digests
        base = {
            f"{CONTENT}-{part}": value
            for part, value in (
                ("weights", digests.weights),
                ("tokenizer", digests.tokenizer),
                ("chatTemplate", digests.chat_template),
                ("config", digests.config),
            )
        }
        corpus = [("corpus", facts.corpus, digests.corpus)] if digests.corpus != NONE else []
        others = (
            *corpus,
            ("recipe", facts.recipe, digests.recipe),
            ("toolchain", facts.algorithm, digests.toolchain),
            ("suite", facts.suite, digests.suite),
            ("policy", "policy", digests.policy),
        )
        return (
            Material(role="base", name=facts.source, digests=base),
            *(
                Material(role=role, name=name, digests={CONTENT: digest})
                for role, name, digest in others
            ),
        )


def attested(version: RegisteredVersion) -> Attested:
    """Return what an attestation of a version is about, once every byte of its files was compared.

    Raises:
        InputError: the files are not here, or not those that were registered.
    """
    return Attested(version=version, manifest=verified_manifest(version, version.folder))
