#!/bin/sh
# Exits with 0 if this container is healthy. The command of the container says which service it is.
set -eu
command=$(tr '\0' ' ' </proc/1/cmdline)
here=$(hostname)
case "$command" in
    *api-server*) exec curl --fail --silent --show-error --max-time 10 --output /dev/null http://127.0.0.1:8080/api/v2/version ;;
    *dag-processor*) exec airflow jobs check --job-type DagProcessorJob --hostname "$here" ;;
    *triggerer*) exec airflow jobs check --job-type TriggererJob --hostname "$here" ;;
    *scheduler*) exec curl --fail --silent --show-error --max-time 10 --output /dev/null http://127.0.0.1:8974/health ;;
    *celery*worker*) exec celery --app airflow.providers.celery.executors.celery_executor.app inspect ping --timeout 10 --destination "celery@$here" ;;
    *mlflow*) exec curl --fail --silent --show-error --max-time 10 --output /dev/null http://127.0.0.1:5000/health ;;
    *) echo "No health check is known for: $command" >&2; exit 1 ;;
esac
