"""Measurements that the design's numbers rest on; `python -m benchmarks` runs and compares them."""
