"""What can go wrong between this machine and the server, each with a name and a sentence."""

from __future__ import annotations


class RemoteError(RuntimeError):
    """A request to an NDIF server failed; what had arrived before is kept."""


class ServerDownError(RemoteError):
    """Nothing answers at the address, or the server says that it cannot work now."""


class LostConnectionError(RemoteError):
    """The server stopped answering in the middle of a request."""


class WrongKeyError(RemoteError):
    """The server does not accept the API key."""


class NotDeployedError(RemoteError):
    """The server does not run this model, or stopped running it."""


class JobTimeoutError(RemoteError):
    """The request took longer than the server allows."""


class NoAnswerError(RemoteError):
    """The request took longer than the caller allows; it may still be under way."""


class JobFailedError(RemoteError):
    """What was asked raised an error on the server.

    Attributes
    ----------
    server_traceback : str
        The whole of what the server said.
    """

    server_traceback: str = ""


class VersionMismatchError(RemoteError):
    """The server's packages do not fit those of this machine."""


class TooLargeError(RemoteError):
    """The answer would be larger than allowed, or did not fit into the server's memory."""


class NoWeightsError(RemoteError):
    """The server runs requests apart from the model's weights, which this one needs."""


def of_status(code: int, detail: str, host: str) -> RemoteError:
    """Give the error of an HTTP answer that is none."""
    if code in (401, 403) or "API key" in detail:
        # The server repeats the key in its sentence, so that is not shown.
        return WrongKeyError(
            f"The NDIF server at {host} does not accept the API key. Give Microscope.load(..., api_key=) or set "
            "NDIF_API_KEY; keys for ndif.us are made at https://login.ndif.us."
        )
    if code == 503:
        return ServerDownError(f"The NDIF server at {host} cannot work now: {detail} Ask again in a few minutes.")
    if code == 413:
        return TooLargeError(f"The NDIF server at {host} takes no request of this size: give fewer or shorter prompts.")
    if code in (400, 422) and "version" in detail.lower():
        return VersionMismatchError(f"The NDIF server at {host} does not take requests of this nnsight: {detail}")
    return RemoteError(f"The NDIF server at {host} answered {code}: {detail}")


def of_job(text: str, model: str) -> RemoteError:
    """Give the error of a job that ended with `text`, of which only the last line is worth showing."""
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")
    if "execution timeout" in text:
        return JobTimeoutError(
            f"The server ended the job on {model}: {last} Ask for less at once: fewer prompts, cells or tokens."
        )
    if "OutOfMemoryError" in text or "out of memory" in text:
        return TooLargeError(
            f"The job on {model} did not fit into the server's memory: {last} Give fewer or shorter prompts."
        )
    if "ModuleNotFoundError" in text or "could not be read" in text:
        return VersionMismatchError(
            f"The server could not read the request for {model}: {last} Its Python, torch, transformers or nnsight "
            "lacks something that is here; compare with nnsight.compare()."
        )
    if any(word in text for word in ("RepositoryNotFound", "Repository Not Found", "not a valid model identifier")):
        return NotDeployedError(f"The server cannot find {model} on the model hub: {last}")
    if any(word in text.lower() for word in ("not deployed", "evicted", "cannot be deployed", "not scheduled")):
        return NotDeployedError(f"The server does not run {model} now: {last}")
    error = JobFailedError(f"The job on {model} failed on the server: {last} See the error's server_traceback.")
    error.server_traceback = text
    return error
