"""The processes of the NDIF server that `beside_ndif.sh` started: look for them, stop them, start them again."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

KIND = "nnsight.modeling.transformers.TransformersModel"


def folder():
    """Where the server keeps its logs and the numbers of its processes."""
    return Path(os.environ["HF_HOME"]).parent  # with-ndif.sh makes the client's a neighbour of them


def process(name):
    """Give the number of a process: "api", "s3", "redis", "hub" or "ray"."""
    return dict(line.split() for line in (folder() / "pids").read_text().splitlines())[name]


def command(pid):
    """Give the command line of a process and its environment."""
    proc = Path("/proc") / str(pid)
    line, environment = ((proc / name).read_bytes().decode().split("\0") for name in ("cmdline", "environ"))
    return line[:-1], dict(one.split("=", 1) for one in environment if "=" in one)


def kill(name):
    """End a service at once, with all its processes."""
    os.killpg(int(process(name)), signal.SIGKILL)


@contextmanager
def frozen(name):
    """Stop a service for the length of the block: it accepts connections and answers nothing."""
    group = int(process(name))
    os.killpg(group, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(group, signal.SIGCONT)


def start_again(name, line, environment):
    """Start a service that was killed, so that stop.sh will find it."""
    with open(folder() / "logs" / f"{name}-again.log", "wb") as log:
        new = subprocess.Popen(line, env=environment, stdout=log, stderr=log, start_new_session=True)
    others = [one for one in (folder() / "pids").read_text().splitlines() if one.split()[0] != name]
    (folder() / "pids").write_text("\n".join([*others, f"{name} {new.pid}"]) + "\n")


@contextmanager
def another_api(port, **environment):
    """Start a second API process beside the first, with other settings; gives its address."""
    line, known = command(process("api"))
    line = [line[0], "-m", "uvicorn", "ndif.services.api.app:app", "--host", "127.0.0.1", "--port", str(port)]
    with open(folder() / "logs" / f"api-{port}.log", "wb") as log:
        api = subprocess.Popen(line, env={**known, **environment}, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        api.terminate()
        api.wait(30)


def until_it_answers(host, seconds=60):
    """Wait until an API process answers."""
    end = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(host + "/connected", timeout=5).read()
        except OSError:
            assert time.monotonic() < end, f"{host} does not answer; its log is in {folder() / 'logs'}"
            time.sleep(0.2)


def until_the_api_is_back():
    """Wait until an API process that was started again serves requests; Redis says so before it is true."""
    end = time.monotonic() + 60
    while "Starting dispatcher with PID" not in (folder() / "logs/api-again.log").read_text():
        assert time.monotonic() < end
        time.sleep(0.2)
    until_it_answers(os.environ["NDIF_HOST"])


def deploy(repository, **options):
    """Begin to deploy a model with settings of its own, as an operator does; gives the process, which ends with 0."""
    line, environment = command(process("api"))
    described = json.dumps({"repo_id": repository, "revision": None, "task": "text-generation"})
    file = folder() / f"{repository.replace('/', '-')}.yaml"
    settings = "".join(f"\n    {name}: {value}" for name, value in options.items())
    file.write_text(f"models:\n  - checkpoint: {repository}\n    model_key: '{KIND}:{described}'{settings}\n")
    ndif = Path(line[0]).parent / "ndif"
    return subprocess.Popen([ndif, "deploy", "-f", file], env=environment, stdout=subprocess.DEVNULL)


def running_actor():
    """Give the number of the process in which a job is running now, of those in our network namespace."""
    ours = os.stat("/proc/self/ns/net").st_ino
    for proc in Path("/proc").glob("[0-9]*"):
        try:
            title = (proc / "cmdline").read_bytes()
            if title.startswith(b"ray::CPU") and b"ModelActor.run" in title and os.stat(proc / "ns/net").st_ino == ours:
                return int(proc.name)
        except OSError:
            continue
    return None
