"""Models under the microscope: the only place that knows nnsight and transformers."""
