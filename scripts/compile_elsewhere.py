"""Compile the kernels for platforms that are not at hand, with zig's C compiler: nothing is linked, nothing is run.

``uv run --no-project --with ziglang --with Cython --with setuptools python -m scripts.compile_elsewhere``: zig brings
the headers of musl, macOS and Windows, gcc that of OpenMP, and this machine those of Python, which has another
`pyconfig.h` on Windows: a stand-in, made here. There the kernels are compiled on the path of one lane, which
Microsoft's compiler takes; what Cython writes for that compiler alone is not compiled. It shows warnings, and returns 1
where something does not compile.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
#: the flags of setup.py, of each platform
TARGETS = {
    "x86_64-linux-musl": ["-fopenmp"],
    "aarch64-linux-musl": ["-fopenmp"],
    "aarch64-linux-gnu.2.28": ["-fopenmp"],
    "aarch64-macos": [],
    "x86_64-macos": [],
    "x86_64-windows-gnu": ["-fopenmp", "-DSCOPE_WIDGETS_ONE_LANE=1"],
}
FLAGS = ["-c", "-O3", "-fno-math-errno", "-ferror-limit=3", "-DPy_LIMITED_API=0x030B0000", "-Wall", "-Wextra"]
#: of OpenMP's header, which is gcc's, and of Cython's variables where there are no threads
FLAGS += ["-Wno-ignored-attributes", "-Wno-unused-but-set-variable"]
SIZES = {"SHORT": 2, "INT": 4, "LONG": 4, "LONG_LONG": 8, "VOID_P": 8, "SIZE_T": 8, "WCHAR_T": 2}
WINDOWS = """#define MS_WINDOWS
#define MS_WIN64
#define HAVE_PY_SSIZE_T
#define PY_SSIZE_T_MAX INT64_MAX
typedef long long Py_ssize_t;
""" + "".join(f"#define SIZEOF_{name} {size}\n" for name, size in SIZES.items())


def main() -> int:
    """Do it in a temporary folder; return 1 where something does not compile."""
    failed = 0
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copytree(ROOT / "cython_ext", folder / "cython_ext", ignore=shutil.ignore_patterns("*.c"))
        shutil.copy(ROOT / "setup.py", folder)
        # Cython runs as setup.py is read, whatever it is asked
        subprocess.run([sys.executable, "setup.py", "-q", "--name"], cwd=folder, check=True, capture_output=True)
        omp = subprocess.run(["gcc", "-print-file-name=include/omp.h"], capture_output=True, text=True, check=True)
        for target, flags in TARGETS.items():
            include = folder / target
            shutil.copytree(sysconfig.get_path("include"), include)
            shutil.copy(omp.stdout.strip(), include)
            if "windows" in target:
                (include / "pyconfig.h").write_text(WINDOWS)
            for source in sorted((folder / "cython_ext").glob("*.c")):
                command = [sys.executable, "-m", "ziglang", "cc", "-target", target, *FLAGS, *flags]
                command += [f"-I{include}", f"-I{source.parent}", str(source), "-o", f"{source}.o"]
                done = subprocess.run(command, capture_output=True, text=True)
                failed += done.returncode != 0
                print(target, source.stem, "fails" if done.returncode else "compiles", done.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
