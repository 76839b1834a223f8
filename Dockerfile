# One image for everything: Airflow with the workflow in it. TensorFlow runs on the CPU.
ARG AIRFLOW_IMAGE=apache/airflow:3.3.2-python3.12
FROM ${AIRFLOW_IMAGE}

COPY requirements.txt /opt/review-sentiment/
RUN pip install --no-cache-dir --require-hashes -r /opt/review-sentiment/requirements.txt

COPY pyproject.toml /opt/review-sentiment/
COPY pipeline /opt/review-sentiment/pipeline
COPY dags /opt/review-sentiment/dags
COPY plugins /opt/review-sentiment/plugins

ENV PYTHONPATH=/opt/review-sentiment:/opt/review-sentiment/dags \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/review-sentiment/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/review-sentiment/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    REVIEW_SENTIMENT_STORE=/opt/airflow/store \
    TF_CPP_MIN_LOG_LEVEL=2
