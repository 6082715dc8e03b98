"""What can go wrong between this machine and the server, each with a name and a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scope_widgets._job import ElsewhereError, TooMuchAtOnceError


class RemoteError(ElsewhereError):
    """A request to an NDIF server failed; what had arrived before is kept."""


class ServerDownError(RemoteError):
    """Nothing answers at the address, or the server says that it cannot work now."""


class LostConnectionError(RemoteError):
    """The server stopped answering in the middle of a request."""


class WrongKeyError(RemoteError):
    """The server does not accept the API key."""


class NotDeployedError(RemoteError):
    """The server does not run this model, or stopped running it."""


class JobTimeoutError(RemoteError, TooMuchAtOnceError):
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


class UnreadableError(RemoteError):
    """What came from the server is damaged, or no answer of an NDIF server."""


class NoWeightsError(RemoteError):
    """The server runs requests apart from the model's weights, which this one needs."""


#: characters of a server's own words that are shown
_MOST = 400


#: what a `NoWeightsError` says
NO_WEIGHTS = (
    "This server runs requests in a process of their own, apart from the model's weights, and this one needs them or "
    "their gradients. Traces, statistics of heads, ablation, patching maps and steering work there; lenses, paths, "
    "attribution, circuits and text longer than one token need a server that trusts you and runs them beside the model."
)


def of_status(code: int, detail: str, host: str) -> RemoteError:
    """Give the error of an HTTP answer that is none."""
    server, said = f"The NDIF server at {host}", f": {_sentence(detail)}" if detail.strip() else "."
    if code in (401, 403) or "API key" in detail:
        # the server may repeat the key in its sentence, so that is not shown
        return WrongKeyError(
            f"{server} does not accept the API key. Give Microscope.load(..., api_key=) or set NDIF_API_KEY; keys for "
            "ndif.us are made at https://login.ndif.us."
        )
    if code == 413:
        return TooLargeError(f"{server} takes no request of this size: give fewer or shorter prompts.")
    if code == 400 and "parsing the body" in detail:
        return TooLargeError(
            f"{server} could not read the request. Servers whose nnsight and anyio do not go together read none of "
            "more than 1 MB: send less (fewer latents, prompts or autoencoders at once), or ask whoever runs it to "
            "import anyio._backends._asyncio before nnsight."
        )
    if code in (400, 422) and "version" in detail.lower():
        return VersionMismatchError(f"{server} does not take requests of this nnsight{said}")
    if code == 429 or code >= 500:
        return ServerDownError(f"{server} cannot work now ({code}){said} Ask again in a few minutes.")
    return RemoteError(f"{server} answered {code}{said} Check the address (host= or NDIF_HOST): is it an NDIF server?")


def of_job(text: str, model: str) -> RemoteError:
    """Give the error of a job that ended with `text`: a traceback of what was asked, or a sentence of the server's."""
    if text.lstrip().startswith("Traceback"):
        last = next(line.strip() for line in reversed(text.splitlines()) if line.strip())
        if "OutOfMemoryError" in last or "out of memory" in last:
            return TooLargeError(
                f"The job on {model} did not fit into the server's memory: {last} Give fewer or shorter prompts."
            )
        if "ndif/services/ray/sandbox/" in text:  # a block that breaks off there breaks the line to the forward
            return NoWeightsError(NO_WEIGHTS)
        error = JobFailedError(f"The job on {model} failed on the server: {last} See the error's server_traceback.")
        error.server_traceback = text
        return error
    said, words = _sentence(text or "no reason given."), text.lower()
    if "execution timeout" in words:
        return JobTimeoutError(
            f"The server ended the job on {model}: {said} Ask for less at once: fewer prompts, cells or tokens."
        )
    if "could not be read" in words or "architecture on this server" in words:
        return VersionMismatchError(
            f"The server could not read the request for {model}: {said} Its packages differ from those of this "
            "machine; nnsight.ndif.compare() says where. A package that the server lacks cannot be used there."
        )
    if "critical server error" in words:
        return ServerDownError(f"The server broke off the job on {model}: {said} Ask again in a few minutes.")
    if "could not deploy" in words:
        return NotDeployedError(f"The server cannot run {model}: {said}")
    if "error starting model" in words or "error provisioning model" in words:
        return NotDeployedError(
            f"The server could not load {model}: {said} If that goes on, its weights are damaged, or of a kind that "
            "the server does not know."
        )
    if "submitting request to model deployment" in words or "evicted" in words:
        return NotDeployedError(
            f"The server stopped running {model} in the middle of the job: {said} It is started again by the next "
            "request."
        )
    failed = JobFailedError(f"The server ended the job on {model}: {said}")
    failed.server_traceback = text
    return failed


@contextmanager
def understanding(host: str) -> Iterator[None]:
    """Raise an `UnreadableError` for whatever comes of reading what a server sent."""
    try:
        yield
    except RemoteError:
        raise
    except Exception as error:  # the readers raise anything on what is damaged
        why = f": {error}" if type(error) is ValueError else ""
        raise UnreadableError(
            f"What {host} answered cannot be read ({type(error).__name__}{why[:200]}): it is damaged, or no answer of "
            "an NDIF server. Ask again; if that does not help, check the address (host= or NDIF_HOST) and update "
            "nnsight."
        ) from error


def _sentence(text: str) -> str:
    """Give a server's words as one line that ends with a full stop."""
    words = " ".join(text.split())
    words = words if len(words) <= _MOST else words[:_MOST] + "..."
    return words if words.endswith((".", "!", "?")) else words + "."
