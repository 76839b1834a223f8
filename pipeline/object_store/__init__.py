"""Object stores (``s3://``): with whose credentials they are asked, how often, and what a refusal means.

Importing this package is cheap, for Airflow's plugins do so in every process; s3fs is loaded by the first request.
"""

from pipeline.object_store.errors import ObjectStoreRefusedError, ObjectStoreUnavailableError
from pipeline.object_store.login import ObjectStoreLogin, log_in_with, present_login

__all__ = [
    "ObjectStoreLogin",
    "ObjectStoreRefusedError",
    "ObjectStoreUnavailableError",
    "log_in_with",
    "present_login",
]
