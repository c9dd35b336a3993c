"""Child process: the rows of a parquet file, or of a hub dataset, as JSON lines.

The only worker that may use the network, and only where it is asked for a hub dataset. `datasets` runs no
code of a repository: it reads data files alone.
"""

import base64
import json
import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from quantgate.pipelines.domain.errors import InputError, ServiceError
from quantgate.pipelines.domain.values import JsonValue
from quantgate.pipelines.formats.arrow_columns import refuse_columns_twice
from quantgate.pipelines.hub.table_messages import HubDataset, TableRows, TableRowsCall
from quantgate.pipelines.process.calls import OnProgress, Progress
from quantgate.pipelines.process.endings.last_words import words_of
from quantgate.pipelines.process.harness import serve

if TYPE_CHECKING:
    from pyarrow import RecordBatch

_BATCH_ROWS = 1024


def write_rows(call: TableRowsCall, on_progress: OnProgress) -> TableRows:
    """Write every row, values that JSON lacks as text (dates in ISO form, bytes in base64).

    Raises:
        InputError: where the file is not parquet, a column stands twice, or the hub has no such dataset,
            configuration or split.
        ServiceError: where the hub does not answer or refuses.
    """
    if call.hub is not None:
        columns, batches = _from_hub(call.hub)
    elif call.parquet is not None:
        columns, batches = _from_parquet(call.parquet)
    else:
        raise InputError(
            "neither a parquet file nor a hub dataset was named",
            next_step="name one of the two in the table's source",
        )
    count = 0
    with call.output.open("w", encoding="utf-8") as output:
        for batch in batches:
            for row in batch.to_pylist():
                output.write(json.dumps(_plain(row), ensure_ascii=False, allow_nan=False) + "\n")
            count += batch.num_rows
            on_progress(Progress(done=count, total=0, what="reading rows"))
    return TableRows(rows=count, columns=columns)


def _from_parquet(path: Path) -> "tuple[tuple[str, ...], Iterator[RecordBatch]]":
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(
            f"is not a parquet file ({error})",
            where=str(path),
            next_step="write the file again, or copy it again from where it came from",
        ) from error
    refuse_columns_twice(file.schema_arrow, str(path))
    return tuple(file.schema_arrow.names), file.iter_batches(batch_size=_BATCH_ROWS)


def _from_hub(hub: HubDataset) -> "tuple[tuple[str, ...], Iterator[RecordBatch]]":
    # Read when these packages are imported, so before they are: workers are offline unless they say so.
    os.environ |= {"HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"}
    os.environ |= {"HF_HUB_CACHE": str(hub.cache / "hub"), "HF_DATASETS_CACHE": str(hub.cache)}
    import datasets
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    where = f"{hub.repository}@{hub.revision}"
    datasets.disable_progress_bars()
    try:
        table = datasets.load_dataset(
            hub.repository, name=hub.config, split=hub.split, revision=hub.revision
        )
    except (ValueError, datasets.exceptions.DatasetsError, FileNotFoundError) as error:
        raise InputError(
            f"cannot be loaded as a dataset: {' '.join(str(error).split())}",
            where=where,
            next_step="check `config` and `split` in the suite file",
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, ConnectionError) as error:
        raise ServiceError(
            f"the hub at {hub.endpoint} did not give it ({words_of(error)})",
            where=where,
            next_step="check the network; for a private dataset set HF_TOKEN",
            transient=True,
        ) from error
    refuse_columns_twice(table.data.table.schema, where)
    return tuple(table.column_names), iter(table.data.table.to_batches(_BATCH_ROWS))


def _plain(value: object) -> JsonValue:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None  # JSON has neither NaN nor infinity
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, Decimal) else repr(value)


if __name__ == "__main__":
    serve(write_rows, TableRowsCall)
