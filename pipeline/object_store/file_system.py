"""The object store as a file system: it repeats what may be repeated, and names what went wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from botocore.exceptions import (  # type: ignore[import-untyped]
    ClientError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]
from fsspec.asyn import FSTimeoutError, sync_wrapper
from s3fs import S3FileSystem  # type: ignore[import-untyped]

from pipeline.errors import PipelineError, quoted
from pipeline.object_store.errors import ObjectStoreRefusedError, ObjectStoreUnavailableError
from pipeline.object_store.login import ObjectStoreLogin, present_login

ATTEMPTS = 6
RETRY_MODE = "standard"
"""How often one request is sent, unless the environment says otherwise.

``standard`` repeats whatever passes by itself: 500, 502, 503 and 504, ``SlowDown``, and connections that are cut or
time out. Its pauses double, up to 20 s: six attempts last half a minute at most, as long as a gateway that is started
anew. s3fs's own five attempts of AWS's old rules last three seconds. ``adaptive`` would also slow down a process that
sends hundreds of requests a second, which none of ours does.
"""
TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60}
"""Seconds. s3fs's 5 and 15 are short for a large object on a slow line."""

_AWAY = (NoConnectionError, HTTPClientError, ResponseParserError, FSTimeoutError)
_OVERLOADED = frozenset(
    {"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "Throttling", "500", "502", "503", "504"}
)
_REFUSED = frozenset(
    {"InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed", "PermanentRedirect", "400"}
)
"""Refusals that s3fs takes for something else: a wrong token or region, also as ``HEAD`` tells it, without words."""
_WRITES = frozenset({"put_object", "create_multipart_upload"})
_SHOWN_CHARACTERS = 160
_SENDING: ContextVar[bool] = ContextVar("sending", default=False)
"""Whether a request is on its way."""


class ObjectStore(S3FileSystem):  # type: ignore[misc]
    """s3fs, whose failures say which bucket refused whom, and what to do.

    A missing object or bucket stays ``FileNotFoundError``, except for a write, which would fail without a word of why.
    """

    def __init__(self, *arguments: Any, source: str = "", advice: str = "", **options: Any) -> None:  # noqa: ANN401 - s3fs has no types
        """Keep where the login comes from, beside s3fs's options."""
        super().__init__(*arguments, **options)
        self._source = source
        self._advice = advice

    async def _call_s3(self, method: str, *options: Any, **named: Any) -> Any:  # noqa: ANN401 - s3fs has no types
        """Send one request; every one of s3fs's goes through here."""
        sending = _SENDING.set(True)
        try:
            return await super()._call_s3(method, *options, **named)
        except Exception as error:
            bucket = str(named.get("Bucket", ""))
            told = self._told(await self._in_words(error, method, bucket), method, bucket)
            if told is None:
                raise
            # Not chained: what botocore keeps of a request holds its signature.
            raise told from None
        finally:
            _SENDING.reset(sending)

    # s3fs binds its own at this place, which would pass ours by.
    call_s3 = sync_wrapper(_call_s3)

    async def _in_words(self, error: Exception, method: str, bucket: str) -> Exception:
        """Return a refusal with its reason: the answer to ``HEAD`` has none, so another question is put, once."""
        if method.startswith("head_") and _code(error) in {"400", "403"}:
            try:
                await super()._call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)
            except Exception as worded:  # noqa: BLE001 - whatever it is, it says more than a number
                return worded
        return error

    def _told(self, error: Exception, method: str, bucket: str) -> PipelineError | None:
        """Return a failure as one that tells a user what to do; ``None`` for what callers know how to take."""
        place, asked = quoted(f"s3://{bucket}"), method.replace("_", " ")
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return ObjectStoreRefusedError(
                f"There are no credentials for {place}: {self._source} holds none, or half of them. {self._advice}"
            )
        code = _code(error)
        if isinstance(error, _AWAY) or code in _OVERLOADED:
            return ObjectStoreUnavailableError(
                f"{place} does not answer as it should ({asked}: {code or type(error).__name__}), after "
                f"{self._attempts} attempts. Nothing is lost: run again when the object store is back. If it never "
                f"was there, the address is wrong. {self._advice}"
            )
        if isinstance(error, PermissionError) or code in _REFUSED:
            said = quoted(self._without_secrets(str(error)), _SHOWN_CHARACTERS)
            return ObjectStoreRefusedError(
                f"{place} refuses the login of {self._source} ({asked}: {code or type(error).__name__}, {said}). Check "
                "the bucket's name, and that this login may list the bucket and get, put and delete its objects "
                f"(docs/how-to/use_an_object_store.md has the policy). {self._advice}"
            )
        if code == "NoSuchBucket" and method in _WRITES:
            return ObjectStoreRefusedError(
                f"There is no bucket {place} where the login of {self._source} leads. Make it, or correct its name. "
                f"{self._advice}"
            )
        return None

    @property
    def retries(self) -> int:
        """How often s3fs repeats by itself: bodies that break off, but no request, which botocore has repeated."""
        return 1 if _SENDING.get() else int(S3FileSystem.retries)

    @property
    def _attempts(self) -> int:
        return int(os.environ.get("AWS_MAX_ATTEMPTS") or ATTEMPTS)

    def _without_secrets(self, text: str) -> str:
        for secret in filter(None, (self.key, self.secret, self.token)):
            text = text.replace(secret, "…")
        return text


def open_file_system(login: ObjectStoreLogin | None = None, *, remembering: bool = True) -> ObjectStore:
    """Return the object store, to be asked with the present login; nothing is sent yet.

    Args:
        login: Credentials; ``None`` is those that count now.
        remembering: Share connections and listings with others of this process that have the same login. Without,
            every question is asked anew: what was listed before may have changed.

    Raises:
        ConfigurationError: The deployment names credentials that are not there, or cannot be used.
    """
    login = login or present_login()
    given = {
        "key": login.access_key,
        "secret": login.secret_key,
        "token": login.session_token,
        "endpoint_url": login.endpoint_url,
    }
    options: dict[str, Any] = {name: value for name, value in given.items() if value}
    if login.region:
        options["client_kwargs"] = {"region_name": login.region}
    if not remembering:
        options |= {"skip_instance_cache": True, "use_listings_cache": False}
    return ObjectStore(source=login.source, advice=login.advice, config_kwargs=_patience(), **options)


def _patience() -> Mapping[str, Any]:
    """Return botocore's settings for repetitions and timeouts."""
    # What is given here would win against the environment.
    retries: dict[str, Any] = {}
    if not os.environ.get("AWS_MAX_ATTEMPTS"):
        retries["total_max_attempts"] = ATTEMPTS
    if not os.environ.get("AWS_RETRY_MODE"):
        retries["mode"] = RETRY_MODE
    return {**TIMEOUTS, "retries": retries}


def _code(error: Exception) -> str:
    """Return the object store's own word for a failure, e.g. ``SlowDown``; empty where it said none."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
