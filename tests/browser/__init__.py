"""Tests in a real browser; a package, so that files may have the names of those beside it."""
