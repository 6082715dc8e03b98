"""A process as `microscope analyze` begins one, which does nothing: it says that a stage is begun, and is killed in it.

What it does stands in the name of the model: "killed": until half of half is asked for; "crash", "hang", "silent".
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

asked = json.loads(sys.stdin.readline())
how = asked["settings"]["model"]
halved = asked["halvings"].get("geometry", 0)


def say(kind: str, **about: Any) -> None:
    print(json.dumps({"kind": kind, **about}), flush=True)


def end_with_stdin() -> None:
    sys.stdin.read()
    os._exit(1)


planned = [{"stage": name, "seconds": 2.0, "peak_bytes": 10**9} for name in ("recording", "geometry")]
say("plan", done={"recording": False, "geometry": False}, planned=planned)
if asked["dry_run"]:
    say("done")
    sys.exit(0)
say("begun", stage="recording")
say("finished", stage="recording", seconds=1.0, notes=["There are few texts."])
say("begun", stage="geometry")
Path(asked["out"], f".halved-{halved}").write_text(str(os.getpid()))
if how == "killed" and halved < 2:
    os.kill(os.getpid(), signal.SIGKILL)
if how == "always killed":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "crash":
    print("Fatal: a library is broken", file=sys.stderr, flush=True)
    os.abort()
if how == "silent":
    sys.exit(3)
if how == "hang":
    threading.Thread(target=end_with_stdin, daemon=True).start()
    try:
        while True:
            time.sleep(60)
    except KeyboardInterrupt:
        say("interrupted", stage="geometry")
        sys.exit(130)
say("finished", stage="geometry", seconds=1.0, notes=[])
say("done")
