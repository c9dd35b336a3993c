"""A CycloneDX bill of materials (1.6, ECMA-424) of a version: an ML-BOM, with a model card.

The library has no model cards yet (its own note says so); that part is added as the schema writes it:
https://cyclonedx.org/docs/1.6/json/#components_items_modelCard.
"""

import json
import uuid
from datetime import UTC, datetime

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6

from quantgate.registry.attesting.subject import Attested, Material
from quantgate.registry.facts import VersionFacts

_MODEL = "model"


def bill_of_materials(subject: Attested) -> str:
    """Return the bill as JSON; the same version always has the same one."""
    facts = subject.facts
    root = Component(
        name=subject.version.model,
        version=subject.version.version,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref=_MODEL,
        description=f"{facts.identifier}: {facts.verdict} on {facts.suite} in {facts.runtime}",
    )
    files = [
        Component(
            name=file.path,
            type=ComponentType.FILE,
            bom_ref=f"file:{file.path}",
            hashes=[HashType(alg=HashAlgorithm.SHA_256, content=file.sha256)],
        )
        for file in subject.manifest.files
    ]
    materials = [_component(material) for material in subject.materials]
    bom = Bom(components=[*files, *materials])
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromtimestamp(
        0, UTC
    )  # no date: the same version, the same bytes
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, f"{facts.evidence_key}/{subject.name}")
    bom.register_dependency(root, [*files, *materials])
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    document["metadata"]["component"]["modelCard"] = _model_card(facts)
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _component(material: Material) -> Component:
    kinds = {
        "base": ComponentType.MACHINE_LEARNING_MODEL,
        "corpus": ComponentType.DATA,
        "suite": ComponentType.DATA,
        "toolchain": ComponentType.APPLICATION,
    }
    return Component(
        name=material.name,
        type=kinds.get(material.role, ComponentType.DATA),
        bom_ref=f"{material.role}:{material.name}",
        properties=[
            Property(name=f"quantgate:{name}", value=value)
            for name, value in sorted(material.digests.items())
        ],
    )


def _model_card(facts: VersionFacts) -> dict[str, object]:
    measured = [
        {"type": name, "value": f"{value:.6f}", "slice": facts.suite}
        for name, value in (
            ("accuracy", facts.accuracy),
            ("accuracy of the base", facts.reference_accuracy),
        )
        if value is not None
    ]
    limits = [f"not proven on slice '{name}'" for name in facts.unproven_slices]
    return {
        "modelParameters": {
            "task": "text-generation",
            "datasets": [
                {"ref": f"{role}:{name}"}
                for role, name in (("corpus", facts.corpus), ("suite", facts.suite))
                if role == "suite" or facts.digests.corpus != "none"
            ],
        },
        "quantitativeAnalysis": {"performanceMetrics": measured},
        "considerations": {"technicalLimitations": limits},
        "properties": [
            {"name": "quantgate:numerics", "value": facts.numerics},
            {"name": "quantgate:format", "value": facts.format},
            {"name": "quantgate:verdict", "value": facts.verdict},
        ],
    }
