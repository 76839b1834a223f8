"""What the DAG files share: the trigger form and the tasks. Logic lives in ``pipeline``."""
