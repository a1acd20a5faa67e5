# docker run IMAGE serve | segment | measure | ...; `serve` alone is SageMaker's contract.
FROM python:3.12-slim
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN python -m pip install --no-cache-dir ".[serve]"
WORKDIR /work
ENV CELLSEG_CONTAINER=1
EXPOSE 8080
ENTRYPOINT ["cellseg"]
