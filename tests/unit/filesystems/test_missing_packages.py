"""What is said of ``s3://`` and ``gs://`` where the packages that they need are not installed."""

import subprocess
import sys

import pytest

S3 = "s3:// needs boto3 and obstore: pip install 'recordfs[s3]'"

GCS = "gs:// needs google-cloud-storage and obstore: pip install 'recordfs[gcs]'"


@pytest.mark.parametrize(
    ("path", "package", "says"),
    [
        ("s3://bucket", "boto3", S3),
        ("s3://bucket", "obstore", S3),
        ("gs://bucket", "google.cloud.storage", GCS),
        ("gs://bucket", "obstore", GCS),
    ],
)
def test_the_extra_to_install_is_named(path, package, says):
    program = f"""
import sys
sys.modules[{package!r}] = None
from recordfs.cli import main
sys.exit(main(["ls", {path!r}]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(says)
    assert "could not be loaded" not in done.stderr
