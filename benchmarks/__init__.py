"""Benchmarks, one `bench_*.py` per claim; each writes `results/<name>.json`."""
