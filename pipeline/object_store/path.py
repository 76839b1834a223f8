"""Paths below ``s3://`` that open the object store as this project does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upath.implementations.cloud import S3Path

from pipeline.object_store.file_system import open_file_system


class ObjectPath(S3Path):
    """A path whose credentials are asked for when it is first followed, and lie in no path."""

    __slots__ = ()

    @classmethod
    def _fs_factory(cls, urlpath: str, protocol: str, storage_options: Mapping[str, Any]) -> Any:  # noqa: ANN401 - fsspec has no types
        """Open the object store; whoever gives options of their own knows better."""
        if storage_options:
            return super()._fs_factory(urlpath, protocol, storage_options)
        return open_file_system()
