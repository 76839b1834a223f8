"""Object stores (``s3://``): one place for retries, timeouts and errors."""

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
from upath.implementations.cloud import S3Path

from pipeline.errors import PipelineError, quoted
from pipeline.store.login import ObjectStoreRefusedError, ObjectStoreUnavailableError, current_login

ATTEMPTS = 6
RETRY_MODE = "standard"
"""botocore's retries, unless the environment sets others.

``standard`` repeats 500, 502, 503, 504, ``SlowDown``, and connections that are cut or time out. Its pauses double, up
to 20 s. Six attempts take at most half a minute, enough for a gateway to restart; s3fs's own five attempts take three
seconds. ``adaptive`` would also throttle processes that send hundreds of requests a second; none here does.
"""
TIMEOUTS = {"connect_timeout": 10, "read_timeout": 60}
"""Seconds. The defaults of s3fs, 5 and 15, are short for a large object on a slow line."""
MAX_REASON_CHARACTERS = 160

_UNAVAILABLE = (NoConnectionError, HTTPClientError, ResponseParserError, FSTimeoutError)
_UNAVAILABLE_CODES = frozenset(
    {"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "Throttling", "500", "502", "503", "504"}
)
_REFUSED_CODES = frozenset(
    {"InvalidToken", "TokenRefreshRequired", "AuthorizationHeaderMalformed", "PermanentRedirect", "400"}
)
"""A wrong token or region. s3fs raises other errors than ``PermissionError`` for these; ``HEAD`` answers only 400."""
_WRITES = frozenset({"put_object", "create_multipart_upload"})
_in_request: ContextVar[bool] = ContextVar("in_request", default=False)


class ObjectStore(S3FileSystem):  # type: ignore[misc]
    """s3fs with errors that say which bucket refused which login, and what to do.

    It overrides the private method that all of s3fs's requests pass through. Everything that uses a path below a store
    gets the same errors, which a translation in ``ArtifactStore`` could not give: it sees only its own requests. A
    missing object stays a ``FileNotFoundError``; a missing bucket does too, except for a write.
    """

    def __init__(self, *arguments: Any, source: str = "", advice: str = "", **options: Any) -> None:  # noqa: ANN401 - s3fs has no types
        """Store the source of the login and the advice for messages, in addition to the options of s3fs."""
        super().__init__(*arguments, **options)
        self._source = source
        self._advice = advice

    async def _call_s3(self, method: str, *options: Any, **named: Any) -> Any:  # noqa: ANN401 - s3fs has no types
        in_request = _in_request.set(True)
        try:
            return await super()._call_s3(method, *options, **named)
        except Exception as error:
            bucket = str(named.get("Bucket", ""))
            translated = self._translated(await self._with_reason(error, method, bucket), method, bucket)
            if translated is None:
                raise
            # Not chained: botocore's exception holds the signature of the request.
            raise translated from None
        finally:
            _in_request.reset(in_request)

    # s3fs binds its own `_call_s3` here.
    call_s3 = sync_wrapper(_call_s3)

    @property
    def retries(self) -> int:
        """Attempts of s3fs: several for a body that breaks off, one for a request, which botocore already repeats."""
        return 1 if _in_request.get() else int(S3FileSystem.retries)

    async def _with_reason(self, error: Exception, method: str, bucket: str) -> Exception:
        """Return the error with its reason: an answer to ``HEAD`` has none, so list the bucket to get it."""
        if method.startswith("head_") and _code(error) in {"400", "403"}:
            try:
                await super()._call_s3("list_objects_v2", Bucket=bucket, MaxKeys=1)
            except Exception as explained:  # noqa: BLE001 - any error says more than a status
                return explained
        return error

    def _translated(self, error: Exception, method: str, bucket: str) -> PipelineError | None:
        """Return the error for the user; ``None`` if the callers handle it themselves."""
        place, request = quoted(f"s3://{bucket}"), method.replace("_", " ")
        if isinstance(error, NoCredentialsError | PartialCredentialsError):
            return ObjectStoreRefusedError(
                f"There are no complete credentials for {place} in {self._source}. {self._advice}"
            )
        code = _code(error)
        if isinstance(error, _UNAVAILABLE) or code in _UNAVAILABLE_CODES:
            attempts = os.environ.get("AWS_MAX_ATTEMPTS") or ATTEMPTS
            return ObjectStoreUnavailableError(
                f"{place} is not available ({request}: {code or type(error).__name__}), after {attempts} attempts. "
                f"Nothing is lost: run again when the object store is back. If it never worked, check the address. "
                f"{self._advice}"
            )
        if isinstance(error, PermissionError) or code in _REFUSED_CODES:
            reason = quoted(self._without_secrets(str(error)), MAX_REASON_CHARACTERS)
            return ObjectStoreRefusedError(
                f"{place} refuses the login of {self._source} ({request}: {code or type(error).__name__}, {reason}). "
                "Check the name of the bucket, and that this login may list it and get, put and delete its objects "
                f"(docs/how-to/use_an_object_store.md has the policy). {self._advice}"
            )
        if code == "NoSuchBucket" and method in _WRITES:
            return ObjectStoreRefusedError(
                f"There is no bucket {place} for the login of {self._source}. Create it, or correct its name. "
                f"{self._advice}"
            )
        return None

    def _without_secrets(self, text: str) -> str:
        for secret in filter(None, (self.key, self.secret, self.token)):
            text = text.replace(secret, "…")
        return text


class ObjectPath(S3Path):
    """A path below ``s3://`` that asks for the current login when it is first used, and does not store it."""

    __slots__ = ()

    @classmethod
    def _fs_factory(cls, urlpath: str, protocol: str, storage_options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - fsspec has no types
        """Open the object store, with the options of the caller if there are any."""
        if storage_options:
            return super()._fs_factory(urlpath, protocol, storage_options)
        return open_file_system()


def open_file_system(*, use_cache: bool = True) -> ObjectStore:
    """Return the object store for the current login; nothing is sent yet.

    Args:
        use_cache: Share connections and listings with other users of the same login in this process. Without it, every
            listing is read again, since objects may have changed.

    Raises:
        ConfigurationError: The deployment names credentials that do not exist or cannot be used.
    """
    login = current_login()
    named = {
        "key": login.access_key,
        "secret": login.secret_key,
        "token": login.session_token,
        "endpoint_url": login.endpoint_url,
    }
    options: dict[str, Any] = {name: value for name, value in named.items() if value}
    if login.region:
        options["client_kwargs"] = {"region_name": login.region}
    if not use_cache:
        options |= {"skip_instance_cache": True, "use_listings_cache": False}
    # Settings given here would override the environment.
    retries: dict[str, Any] = {}
    if not os.environ.get("AWS_MAX_ATTEMPTS"):
        retries["total_max_attempts"] = ATTEMPTS
    if not os.environ.get("AWS_RETRY_MODE"):
        retries["mode"] = RETRY_MODE
    return ObjectStore(
        source=login.source, advice=login.advice, config_kwargs={**TIMEOUTS, "retries": retries}, **options
    )


def _code(error: Exception) -> str:
    """Return the object store's code for an error, e.g. ``SlowDown``; empty if it has none."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    return str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
