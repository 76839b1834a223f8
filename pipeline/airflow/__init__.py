"""The Airflow layer: the trigger form, the tasks, the pages. The work itself is in the other packages."""
