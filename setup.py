"""Build the Cython kernels; everything else stands in pyproject.toml."""

import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

if sys.platform == "win32":
    compile_args, link_args = ["/O2", "/openmp"], []
elif sys.platform == "darwin":  # Apple's clang has no OpenMP run time: one thread there
    compile_args, link_args = ["-O3", "-fno-math-errno"], []
else:
    # No -march: a wheel must run on any CPU of its platform, the sources choose SIMD at run time.
    compile_args, link_args = ["-O3", "-fopenmp", "-fno-math-errno"], ["-fopenmp"]

sources = sorted(str(path) for path in Path("cython_ext").glob("*.[ph]*"))
extensions = [
    Extension(
        f"scope_widgets._kernels.{Path(source).stem}",
        [source],
        depends=sources,  # which puts them into the source distribution, too
        include_dirs=["cython_ext"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )
    for source in sources
    if source.endswith(".pyx")
]

setup(ext_modules=cythonize(extensions, language_level=3))
