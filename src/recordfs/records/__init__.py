"""Record files: framing over any file.

A record file (TFRecord) is a row of records, each with its length, its bytes and a checksum over either. See
``docs/formats/tfrecord.md``.
"""
