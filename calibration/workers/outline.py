"""Child process: the row groups of a parquet file."""

from calibration.drawing.parts import Outline, OutlineCall
from calibration.sources.parquet import row_group_rows
from pipelines.process.calls import OnProgress
from pipelines.process.harness import serve


def outline(call: OutlineCall, _: OnProgress) -> Outline:
    """Return how many rows each row group has.

    Raises:
        InputError: where this is no parquet file.
    """
    return Outline(rows=row_group_rows(call.path))


if __name__ == "__main__":
    serve(outline, OutlineCall)
