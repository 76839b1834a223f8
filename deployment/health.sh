#!/bin/sh
# Whether this container does its work: 0 if so. What its work is says the command that it was started with.
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
    *) echo "Nothing is known of the health of: $command" >&2; exit 1 ;;
esac
