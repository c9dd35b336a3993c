"""Child process: the row groups of a parquet file."""

from quantgate.calibration.drawing.parts import Outline, OutlineCall
from quantgate.calibration.sources.parquet import row_group_rows
from quantgate.pipelines.process.calls import OnProgress
from quantgate.pipelines.process.harness import serve


def outline(call: OutlineCall, _: OnProgress) -> Outline:
    """Return how many rows each row group has.

    Raises:
        InputError: where this is no parquet file.
    """
    return Outline(rows=row_group_rows(call.path))


if __name__ == "__main__":
    serve(outline, OutlineCall)
