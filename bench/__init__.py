"""Benchmarks: ``python -m bench --help`` from a checkout."""
