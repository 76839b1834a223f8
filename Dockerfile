# Three images: `airflow` (API server, scheduler, DAG processor, triggerer), `worker` (TensorFlow on the CPU; MLflow's
# server too) and `worker-gpu` (TensorFlow with its CUDA libraries). docs/operations.md says how they are used.
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2-python3.12

# The product itself. It changes most often, so it is copied last.
FROM scratch AS product
COPY pyproject.toml /
COPY pipeline /pipeline
COPY dags /dags
COPY plugins /plugins
COPY deployment/health.sh deployment/initialize.py /deployment/

FROM ${AIRFLOW_IMAGE} AS airflow-packages
USER root
# Volumes take over their mount point's owner, when they are new.
RUN mkdir -p /opt/airflow/store /opt/airflow/inbox /opt/airflow/settings /opt/airflow/mlflow /opt/nltk_data \
 && chown airflow:0 /opt/airflow/store /opt/airflow/inbox /opt/airflow/settings /opt/airflow/mlflow /opt/nltk_data
USER airflow
COPY requirements-control-plane.txt /opt/review-sentiment/
RUN pip install --no-cache-dir --no-compile --require-hashes -r /opt/review-sentiment/requirements-control-plane.txt
ENV PYTHONPATH=/opt/review-sentiment:/opt/review-sentiment/dags \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/review-sentiment/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/review-sentiment/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    REVIEW_SENTIMENT_STORE=/opt/airflow/store \
    NLTK_DATA=/opt/nltk_data \
    TF_CPP_MIN_LOG_LEVEL=2 \
    GIT_PYTHON_REFRESH=quiet

FROM airflow-packages AS airflow
COPY --from=product / /opt/review-sentiment/
ARG VERSION=0.2.0
ARG COMMIT=
ENV REVIEW_SENTIMENT_COMMIT=${COMMIT}
LABEL org.opencontainers.image.title="review-sentiment: Airflow" \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${COMMIT}
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=5 CMD ["sh", "/opt/review-sentiment/deployment/health.sh"]

FROM airflow-packages AS worker-packages
COPY requirements.txt /opt/review-sentiment/
RUN pip install --no-cache-dir --no-compile --require-hashes -r /opt/review-sentiment/requirements.txt
# NLTK's stop words are not in its wheel. Where they cannot be had, cleaning takes the project's own list and says so.
RUN python -m nltk.downloader -d /opt/nltk_data stopwords && test -e /opt/nltk_data/corpora/stopwords.zip \
    || echo "NLTK's stop words cannot be had; the image goes without them."

FROM worker-packages AS worker
COPY --from=product / /opt/review-sentiment/
ARG VERSION=0.2.0
ARG COMMIT=
ENV REVIEW_SENTIMENT_COMMIT=${COMMIT}
LABEL org.opencontainers.image.title="review-sentiment: worker" \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${COMMIT}
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=5 CMD ["sh", "/opt/review-sentiment/deployment/health.sh"]

FROM airflow-packages AS worker-gpu-packages
COPY requirements-gpu.txt /opt/review-sentiment/
RUN pip install --no-cache-dir --no-compile --require-hashes -r /opt/review-sentiment/requirements-gpu.txt
RUN python -m nltk.downloader -d /opt/nltk_data stopwords && test -e /opt/nltk_data/corpora/stopwords.zip \
    || echo "NLTK's stop words cannot be had; the image goes without them."

FROM worker-gpu-packages AS worker-gpu
COPY --from=product / /opt/review-sentiment/
ARG VERSION=0.2.0
ARG COMMIT=
# The NVIDIA container runtime gives the container the driver's libraries for computing and nvidia-smi.
ENV REVIEW_SENTIMENT_COMMIT=${COMMIT} \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
LABEL org.opencontainers.image.title="review-sentiment: GPU worker" \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${COMMIT}
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=5 CMD ["sh", "/opt/review-sentiment/deployment/health.sh"]
