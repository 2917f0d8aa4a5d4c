"""``gs://bucket/key``: Google Cloud Storage."""
