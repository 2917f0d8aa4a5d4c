"""The benchmarks: one file a question, run by ``python -m benches``."""
