#!/usr/bin/env bash
# beside_ndif.sh COMMAND [ARG ...]
# Run a command beside a real NDIF server on loopback that serves the models of support/ndif_repositories.py; without such a
# server, say so and run nothing.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
ndif="$(realpath -m "$root/../shared/ndif")"
python="$root/.venv/bin/python"

[ -x "$ndif/with-ndif.sh" ] || { echo "No NDIF server in ../shared/ndif: the remote tests are not run."; exit 0; }
unshare --net true 2>/dev/null || { echo "No network of one's own here (unshare --net): the remote tests are not run."; exit 0; }

"$ndif/setup.sh"
# Several servers may run at once, each in a home of its own that shares the installed packages.
installed="${NDIF_LOCAL_HOME:-$HOME/.cache/ndif-local}"
elsewhere="$(mktemp -d)"
export NDIF_LOCAL_HOME="$elsewhere/home" NDIF_LOCAL_RAYTMP="$elsewhere/ray" NDIF_LOCAL_MODEL_DIR="$installed/tiny-gpt2"
mkdir "$NDIF_LOCAL_HOME"
mkdir -p "$NDIF_LOCAL_HOME/venv/bin"
find "$installed/venv" -mindepth 1 -maxdepth 1 ! -name bin -exec ln -s -t "$NDIF_LOCAL_HOME/venv" {} +
find "$installed/venv/bin" -mindepth 1 -maxdepth 1 ! -name gunicorn -exec ln -s -t "$NDIF_LOCAL_HOME/venv/bin" {} +
# nnsight gives every object a `save`, over which anyio stumbles where it is imported later: the API then refuses what it
# must read in a thread, requests of more than 1 MiB.
cat > "$NDIF_LOCAL_HOME/venv/bin/gunicorn" <<EOF
#!$installed/venv/bin/python
import sys
import anyio._backends._asyncio
from gunicorn.app.wsgiapp import run
if __name__ == "__main__":  # the dispatcher is a process that imports this file again
    sys.exit(run())
EOF
chmod +x "$NDIF_LOCAL_HOME/venv/bin/gunicorn"
NDIF_LOCAL_EXTRA_REPOS="$(cd "$root" && "$python" -m tests.support.ndif_repositories "$elsewhere/models")"
# Requests of callers that it does not trust run apart from the weights; ours are trusted unless a test says otherwise.
export NDIF_LOCAL_ACTOR=CPUSandboxModelActor
export NDIF_LOCAL_EXTRA_REPOS REMOTE_TESTS_HOME="$elsewhere"

# The server must not find our package in its working folder or on its path.
cd "$elsewhere"
unset PYTHONPATH
result=0
"$ndif/with-ndif.sh" bash -c 'cd "$0" && exec "$@"' "$root" "$@" || result=$?
if [ "$result" = 0 ]; then rm -rf "$elsewhere"; else echo "The server's logs are in $NDIF_LOCAL_HOME/run/logs."; fi
exit "$result"
