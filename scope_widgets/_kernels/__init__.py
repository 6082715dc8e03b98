"""Compiled kernels (sources in cython_ext/): they know arrays, nothing else."""
