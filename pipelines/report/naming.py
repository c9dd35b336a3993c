"""What a variant is called where its model is plain from the page."""

from quantgate.pipelines.report.build_report import BuildReport, VariantReport


def short_name(report: BuildReport, variant: VariantReport) -> str:
    """Return a variant's identifier without the model's name in front."""
    return variant.identifier.removeprefix(f"{report.checkpoint.name}--")
