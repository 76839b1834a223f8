"""What the DAG files share: the trigger form and the tasks. Logic lives in ``pipeline``."""

from pipeline.object_store import ObjectStoreLogin, log_in_with


def _login() -> ObjectStoreLogin:
    # In the folder of plugins, which Airflow puts on the path of each of its processes; a store that is a folder does
    # without.
    from pipeline.airflow.store_login import store_login

    return store_login()


log_in_with(_login)
