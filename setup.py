"""Build the kernels, and the browser half where it is not built yet; everything else stands in pyproject.toml."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
NO_BROWSER_HALF = """
scope-widgets: the browser half of the views is not in this build, {why}.
Without it functions, tables, figures for papers and the command line work; a view says what it lacks.
Install Node 20 or later with npm and install again, or install a wheel, which has it: pip install scope-widgets
"""

# The stable interface of Python has the buffers of arrays from 3.11 on: one wheel of a platform is for 3.11 and every
# later Python, one for 3.10. A Python without the global lock has no stable interface.
stable = sys.version_info >= (3, 11) and not sysconfig.get_config_var("Py_GIL_DISABLED")
macros = [("Py_LIMITED_API", "0x030B0000")] if stable else []
if os.environ.get("SCOPE_WIDGETS_ONE_LANE") == "1":
    macros.append(("SCOPE_WIDGETS_ONE_LANE", "1"))  # the path of simd.h for compilers without vectors, for tests

if sys.platform == "win32":
    compile_args, link_args = ["/O2", "/openmp"], []
elif sys.platform == "darwin":  # Apple's clang has no OpenMP run time: one thread there
    compile_args, link_args = ["-O3", "-fno-math-errno", "-g0"], []
else:
    # No -march: a wheel must run on any CPU of its platform, the sources choose SIMD at run time.
    compile_args, link_args = ["-O3", "-fopenmp", "-fno-math-errno", "-g0"], ["-fopenmp", "-s"]

sources = sorted(str(path) for path in Path("cython_ext").glob("*.[ph]*"))


def kernel(name: str, source: str) -> Extension:
    """Return how a compiled module is built."""
    return Extension(
        f"scope_widgets._kernels.{name}",
        [source],
        depends=sources,  # which puts them into the source distribution, too
        include_dirs=["cython_ext"],
        define_macros=macros,
        py_limited_api=stable,
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


# what Cython gives every module that takes arrays, once for all of them: 40 % of their size
SHARED = "_shared_utility"
kernels = [kernel(Path(source).stem, source) for source in sources if source.endswith(".pyx")]
kernels.append(kernel(SHARED, f"cython_ext/{SHARED}.c"))


class BuildWithBrowserHalf(build_py):
    """Build the scripts of the views too: an install from a repository has their sources only."""

    def run(self) -> None:
        """Build what is missing, or say on stderr what will be missing; then all else."""
        if not any((HERE / "scope_widgets" / "static").glob("*.js")) and (why := browser_half_missing()):
            print(NO_BROWSER_HALF.format(why=why), file=sys.stderr, flush=True)
        super().run()


def browser_half_missing() -> str:
    """Build it with Node; return why that was not possible, or an empty text."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "because there is no Node (node, npm) on the PATH to build it"
    for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
        done = subprocess.run([npm, *command], cwd=HERE / "js", stdout=sys.stderr)
        if done.returncode:
            return f"because npm {command[0]} failed (see above)"
    return ""


setup(
    ext_modules=cythonize(kernels, language_level=3, shared_utility_qualified_name=f"scope_widgets._kernels.{SHARED}"),
    cmdclass={"build_py": BuildWithBrowserHalf},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if stable else {},
)
