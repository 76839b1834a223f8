"""The Airflow layer: the trigger form, the tasks, the pages. The work itself is in the packages below."""

from pipeline.store.login import ObjectStoreLogin, set_login_provider


def _login() -> ObjectStoreLogin:
    # Imported late: only object stores need it.
    from pipeline.airflow.store_login import store_login

    return store_login()


set_login_provider(_login)
