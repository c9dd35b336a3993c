"""A server on this machine that speaks S3 (moto), with one empty bucket."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "weights"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStore:
    """The address of a folder in the bucket, and the variables that its clients read."""

    folder: str
    variables: dict[str, str]


@contextmanager
def object_store(listens_on: str = "127.0.0.1") -> Iterator[ObjectStore]:
    """Run it in a thread; its clients here reach it as 127.0.0.1."""
    serving = ThreadedMotoServer(ip_address=listens_on, port=0, verbose=False)
    serving.start()
    _, port = serving.get_host_and_port()
    address, region = f"http://127.0.0.1:{port}", "us-east-1"
    variables = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": region,
    }
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name=region,
        aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=variables["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    try:
        yield ObjectStore(folder=f"s3://{BUCKET}/shelf", variables=variables)
    finally:
        serving.stop()
