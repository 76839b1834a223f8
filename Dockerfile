# Three images: `airflow` (API server, scheduler, DAG processor, triggerer), `worker` (TensorFlow on the CPU; also runs the
# MLflow server) and `worker-gpu` (TensorFlow with its CUDA libraries). docs/how-to/deploy.md describes how to use them.
#
# A tag can move to another image; a digest cannot. For a deployment, pin the base image by its digest:
#   docker pull apache/airflow:3.3.2-python3.12
#   docker image inspect --format '{{index .RepoDigests 0}}' apache/airflow:3.3.2-python3.12
# and set AIRFLOW_IMAGE=apache/airflow:3.3.2-python3.12@sha256:… in .env, or pass it with --build-arg.
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2-python3.12
# The version in pyproject.toml; it becomes a label.
ARG VERSION=0.2.0
ARG COMMIT=
# 1 adds NLTK's stop words to the worker images; the build then needs access to raw.githubusercontent.com.
ARG NLTK_STOPWORDS=0

FROM ${AIRFLOW_IMAGE} AS airflow-packages
USER root
# A new volume takes the owner of the folder that it is mounted on.
RUN mkdir -p /opt/airflow/store /opt/airflow/inbox /opt/airflow/settings /opt/airflow/mlflow /opt/nltk_data \
 && chown airflow:0 /opt/airflow/store /opt/airflow/inbox /opt/airflow/settings /opt/airflow/mlflow /opt/nltk_data
USER airflow
COPY requirements/control-plane.txt /opt/review-sentiment/requirements/
RUN pip install --no-cache-dir --no-compile --require-hashes -r /opt/review-sentiment/requirements/control-plane.txt
ENV AIRFLOW__CORE__DAGS_FOLDER=/opt/review-sentiment/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/review-sentiment/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    REVIEW_SENTIMENT_STORE=/opt/airflow/store \
    NLTK_DATA=/opt/nltk_data \
    TF_CPP_MIN_LOG_LEVEL=2 \
    GIT_PYTHON_REFRESH=quiet

# The lock contains the build backend, so nothing is downloaded here.
FROM airflow-packages AS wheel
COPY --chown=airflow:0 pyproject.toml README.md LICENSE /tmp/source/
COPY --chown=airflow:0 pipeline /tmp/source/pipeline
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /tmp/wheels /tmp/source

# What every image gets. It changes most often, so it is copied last.
FROM scratch AS product
COPY --from=wheel /tmp/wheels /wheels
COPY dags /dags
COPY plugins /plugins
COPY deployment/health.sh deployment/initialize.py /deployment/

FROM airflow-packages AS airflow
COPY --from=product / /opt/review-sentiment/
RUN pip install --no-cache-dir --no-deps --no-index /opt/review-sentiment/wheels/*.whl
ARG VERSION
ARG COMMIT
ENV REVIEW_SENTIMENT_COMMIT=${COMMIT}
LABEL org.opencontainers.image.title="review-sentiment: Airflow" \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${COMMIT}
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=5 CMD ["sh", "/opt/review-sentiment/deployment/health.sh"]

FROM airflow-packages AS worker-packages
COPY requirements.txt /opt/review-sentiment/
RUN pip install --no-cache-dir --no-compile --require-hashes -r /opt/review-sentiment/requirements.txt
ARG NLTK_STOPWORDS
RUN [ "$NLTK_STOPWORDS" != 1 ] || python -c 'import nltk, sys; sys.exit(not nltk.download("stopwords", download_dir="/opt/nltk_data", quiet=True))' \
 || { echo "NLTK_STOPWORDS=1, but NLTK's stop words cannot be downloaded. Build with NLTK_STOPWORDS=0 to go without them." >&2; exit 1; }

FROM worker-packages AS worker
COPY --from=product / /opt/review-sentiment/
RUN pip install --no-cache-dir --no-deps --no-index /opt/review-sentiment/wheels/*.whl
ARG VERSION
ARG COMMIT
ENV REVIEW_SENTIMENT_COMMIT=${COMMIT}
LABEL org.opencontainers.image.title="review-sentiment: worker" \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${COMMIT}
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=5 CMD ["sh", "/opt/review-sentiment/deployment/health.sh"]

FROM airflow-packages AS worker-gpu-packages
COPY requirements/gpu.txt /opt/review-sentiment/requirements/
RUN pip install --no-cache-dir --no-compile --require-hashes -r /opt/review-sentiment/requirements/gpu.txt
ARG NLTK_STOPWORDS
RUN [ "$NLTK_STOPWORDS" != 1 ] || python -c 'import nltk, sys; sys.exit(not nltk.download("stopwords", download_dir="/opt/nltk_data", quiet=True))' \
 || { echo "NLTK_STOPWORDS=1, but NLTK's stop words cannot be downloaded. Build with NLTK_STOPWORDS=0 to go without them." >&2; exit 1; }

FROM worker-gpu-packages AS worker-gpu
COPY --from=product / /opt/review-sentiment/
RUN pip install --no-cache-dir --no-deps --no-index /opt/review-sentiment/wheels/*.whl
ARG VERSION
ARG COMMIT
# The NVIDIA container runtime adds the driver's compute libraries and nvidia-smi to the container.
ENV REVIEW_SENTIMENT_COMMIT=${COMMIT} \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
LABEL org.opencontainers.image.title="review-sentiment: GPU worker" \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${COMMIT}
HEALTHCHECK --interval=60s --timeout=30s --start-period=120s --retries=5 CMD ["sh", "/opt/review-sentiment/deployment/health.sh"]
