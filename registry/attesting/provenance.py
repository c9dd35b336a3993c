"""An in-toto statement (v1) with SLSA provenance (v1): https://slsa.dev/spec/v1.0/provenance.

Subjects are the variant's files, by plain sha256. Resolved dependencies are what it was made from and judged
by, with our digests of contents. The verdict stands among the internal parameters.
"""

import json

from google.protobuf.json_format import MessageToDict, ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from quantgate.registry.attesting.subject import Attested
from quantgate.registry.facts import to_tags
from quantgate.registry.seals import COVERED

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://quantgate/quantize-judge-register/v1"


def provenance_statement(subject: Attested, program: str) -> str:
    """Return the statement as JSON; `program` is the version of this program."""
    facts = subject.facts
    described = {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "model": facts.source,
                "recipe": facts.recipe,
                "suite": facts.suite,
                "corpus": facts.corpus,
                "runtime": str(facts.runtime),
            },
            "internalParameters": {
                name: text for name, text in sorted(to_tags(facts).items()) if name in COVERED
            },
            "resolvedDependencies": [
                {
                    "name": f"{material.role}: {material.name}",
                    "digest": material.digests,
                }
                for material in subject.materials
            ],
        },
        "runDetails": {
            "builder": {"id": "https://quantgate/cli", "version": {"quantgate": program}},
            "metadata": {"invocationId": subject.version.run_id},
        },
    }
    predicate = ParseDict(described, Provenance())
    subjects = [
        ResourceDescriptor(name=file.path, digest={"sha256": file.sha256}).pb
        for file in subject.manifest.files
    ]
    statement = Statement(subjects, PREDICATE_TYPE, MessageToDict(predicate))
    statement.validate()
    return (
        json.dumps(MessageToDict(statement.pb), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    )
