"""``tf.train.Example`` and ``SequenceExample`` to NumPy and Arrow and back, without TensorFlow and without protobuf.

Records to columns: ``parse_example``, ``parse_single_example``, ``parse_sequence_example``, ``ExampleParser``,
``read_examples``. Columns to records: ``encode_example``, ``encode_examples``, ``encode_sequence_example``.
One record as plain Python: ``decode_example``, ``decode_sequence_example``. What a file holds: ``infer_features``.
Arrow: ``to_arrow``, ``read_arrow``, ``read_table``, ``from_arrow``, ``write_table``. Parquet, JSON lines and npz:
``export_examples``, ``import_examples``.

Plain decoding and encoding need only recordfs; columns need NumPy (``pip install 'recordfs[example]'``).
The message format, and where TensorFlow's reader differs from protobuf's: ``docs/formats/example.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from recordfs.lazy_names import lazy_names

if TYPE_CHECKING:
    from recordfs.example.arrow import ArrowExamples, from_arrow, read_arrow, read_table, to_arrow, write_table
    from recordfs.example.bad_record import BadRecordError
    from recordfs.example.columns import RaggedColumn, SparseColumn
    from recordfs.example.convert import export_examples, import_examples
    from recordfs.example.encode import encode_example, encode_examples, encode_sequence_example
    from recordfs.example.features import (
        FixedLenFeature,
        FixedLenSequenceFeature,
        RaggedFeature,
        SparseFeature,
        VarLenFeature,
    )
    from recordfs.example.parse import ExampleParser, parse_example, parse_sequence_example, parse_single_example
    from recordfs.example.plain import EmptyList, decode_example, decode_sequence_example
    from recordfs.example.read import ExampleReader, read_examples
    from recordfs.example.schema import FeatureSummary, InferredFeatures, infer_features

_HOME = {
    "ArrowExamples": "arrow",
    "BadRecordError": "bad_record",
    "EmptyList": "plain",
    "ExampleParser": "parse",
    "ExampleReader": "read",
    "FeatureSummary": "schema",
    "FixedLenFeature": "features",
    "FixedLenSequenceFeature": "features",
    "InferredFeatures": "schema",
    "RaggedColumn": "columns",
    "RaggedFeature": "features",
    "SparseColumn": "columns",
    "SparseFeature": "features",
    "VarLenFeature": "features",
    "decode_example": "plain",
    "decode_sequence_example": "plain",
    "encode_example": "encode",
    "encode_examples": "encode",
    "encode_sequence_example": "encode",
    "export_examples": "convert",
    "from_arrow": "arrow",
    "import_examples": "convert",
    "infer_features": "schema",
    "parse_example": "parse",
    "parse_sequence_example": "parse",
    "parse_single_example": "parse",
    "read_arrow": "arrow",
    "read_examples": "read",
    "read_table": "arrow",
    "to_arrow": "arrow",
    "write_table": "arrow",
}

__all__ = [
    "ArrowExamples",
    "BadRecordError",
    "EmptyList",
    "ExampleParser",
    "ExampleReader",
    "FeatureSummary",
    "FixedLenFeature",
    "FixedLenSequenceFeature",
    "InferredFeatures",
    "RaggedColumn",
    "RaggedFeature",
    "SparseColumn",
    "SparseFeature",
    "VarLenFeature",
    "decode_example",
    "decode_sequence_example",
    "encode_example",
    "encode_examples",
    "encode_sequence_example",
    "export_examples",
    "from_arrow",
    "import_examples",
    "infer_features",
    "parse_example",
    "parse_sequence_example",
    "parse_single_example",
    "read_arrow",
    "read_examples",
    "read_table",
    "to_arrow",
    "write_table",
]

if not TYPE_CHECKING:  # a type checker that saw a __getattr__ would take every misspelt name for one of ours
    __getattr__, __dir__ = lazy_names(__name__, _HOME)
