# docker run IMAGE serve | train | segment | ...; `serve` and `train` alone are SageMaker's
# contract, and SageMaker wants its containers to run as root.
# The Python that the tests run on.
FROM python:3.11-slim
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# Which versions are wanted stands in pyproject.toml.
# hadolint ignore=DL3013
RUN python -m pip install --no-cache-dir ".[serve]"
WORKDIR /work
# What is printed goes to the log at once; the driver is let in where there is a GPU.
ENV CELLSEG_CONTAINER=1 \
    PYTHONUNBUFFERED=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
EXPOSE 8080
ENTRYPOINT ["cellseg"]
