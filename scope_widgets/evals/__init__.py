"""Suites of questions to a model, and a model before and after an intervention."""
