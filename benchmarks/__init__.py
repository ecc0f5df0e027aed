"""Benchmarks with their peers in the same run: ``make bench``."""
