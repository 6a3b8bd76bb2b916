FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY proto_schemas proto_schemas
COPY server server
COPY migrations migrations
RUN --mount=type=cache,target=/root/.cache/pip pip wheel --no-deps --wheel-dir /wheels .
RUN python -m venv --without-pip /opt/dodona
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/dodona/bin/python install "$(echo /wheels/dodona-*.whl)[server,postgres]"
RUN mkdir /data

FROM python:3.13-slim
COPY --from=build /opt/dodona /opt/dodona
COPY --from=build --chown=10001:10001 /data /data
ENV PATH=/opt/dodona/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DODONA_HOST=0.0.0.0 \
    DODONA_PORT=8080 \
    DODONA_DATABASE_URL=sqlite:////data/dodona.db
# Numeric, so that a cluster can check that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# http.client, because urllib.request would use a proxy from the environment.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import os, sys, http.client as h; c = h.HTTPConnection('127.0.0.1', int(os.environ['DODONA_PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
CMD ["dodona", "serve"]
