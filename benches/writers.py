"""Those who write objects: the same calls for each of them, by which the surveys drive it.

A source defines ``opened(key)``. How the store is reached stands in environment variables as well, because
tensorboardX takes it from nowhere else.
"""

from __future__ import annotations

from typing import Any

from benches.harness import Contestant
from benches.object_stores import (
    BOTO3,
    GCS_RECORDFS,
    GCSFS,
    GOOGLE,
    OBSTORE,
    RECORDFS,
    S3FS,
)

__all__ = ["DRIVER", "GCS_WRITERS", "S3_WRITERS", "environment"]

_RECORDFS = """
def opened(key):
    file = store.new_writable_file(f"{scheme}://{bucket}/{key}")
    file.write = file.append
    return file
"""

_TENSORBOARDX = """
from tensorboardX import record_writer

def opened(key):
    return record_writer.open_file(f"{scheme}://{bucket}/{key}")
"""

_FSSPEC = """
def opened(key):
    return store.open(f"{bucket}/{key}", "wb")
"""

_SMART_OPEN = """
import smart_open

def opened(key):
    return smart_open.open(f"{scheme}://{bucket}/{key}", "wb", transport_params={"client": client})
"""

_OBSTORE = """
def opened(key):
    return obstore.open_writer(store, key)
"""

_GOOGLE = """
def opened(key):
    return client.bucket(bucket).blob(key).open("wb", ignore_flush=True)
"""

# Runs behind a source. A piece of data is known by its number to both sides.
DRIVER = """
import random

def begin(key):
    state["file"] = opened(key)

def write(number):
    state["file"].write(random.Random(number).randbytes(piece_size))

def flush():
    state["file"].flush()

def close():
    state["file"].close()

state.update(begin=begin, write=write, flush=flush, close=close)
"""

S3_WRITERS = [
    Contestant("recordfs", RECORDFS + _RECORDFS),
    Contestant("tensorboardX", _TENSORBOARDX, peer="s3"),
    Contestant("s3fs", S3FS + _FSSPEC, peer="s3fs"),
    Contestant("smart_open", BOTO3 + _SMART_OPEN, peer="s3"),
    Contestant("obstore", OBSTORE + _OBSTORE, peer="s3"),
]

# Not obstore: it writes by the XML API, which fake-gcs-server does not serve.
GCS_WRITERS = [
    Contestant("recordfs", GCS_RECORDFS + _RECORDFS),
    Contestant("tensorboardX", _TENSORBOARDX, peer="gcs"),
    Contestant("google-cloud-storage", GOOGLE + _GOOGLE, peer="gcs"),
    Contestant("gcsfs", GCSFS + _FSSPEC, peer="gcs"),
    Contestant("smart_open", GOOGLE + _SMART_OPEN, peer="gcs"),
]


def environment(variables: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables that say the same as the variables of ``s3_variables`` or ``gcs_variables``."""
    if variables["scheme"] == "gs":
        return {"STORAGE_EMULATOR_HOST": variables["endpoint"], "GOOGLE_CLOUD_PROJECT": variables["project"]}
    return {
        "S3_ENDPOINT": variables["endpoint"],
        "AWS_ACCESS_KEY_ID": variables["access_key"],
        "AWS_SECRET_ACCESS_KEY": variables["secret_key"],
        "AWS_DEFAULT_REGION": variables["region"],
    }
