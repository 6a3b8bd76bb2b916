# The server: docker build -t dodona .
# A worker with Keras on CPUs, to add a script to: docker build --target worker -t dodona-worker .
FROM python:3.13-slim AS wheel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY client client
COPY proto_schemas proto_schemas
COPY server server
COPY migrations migrations
RUN --mount=type=cache,target=/root/.cache/pip pip wheel --no-deps --wheel-dir /wheels .
RUN python -m venv --without-pip /opt/dodona

FROM wheel AS server-build
# More of them: docker build --build-arg EXTRAS=server,postgres,oidc,otel,s3 .
ARG EXTRAS=server,postgres
# Without the tests of other packages, and with bytecode only of what the server imports: 120 MB less. The bytecode is
# written here, because a container with a read-only root cannot. Importing everything shows that nothing is missing.
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/dodona/bin/python install --no-compile --constraint constraints.txt \
        "$(echo /wheels/dodona-*.whl)[$EXTRAS]" && \
    find /opt/dodona -type d \( -name tests -o -name test \) -prune -exec rm -r {} + && \
    /opt/dodona/bin/python -c "import pkgutil, dodona_server as d; list(map(__import__, (m.name for m in pkgutil.walk_packages(d.__path__, 'dodona_server.') if m.name != 'dodona_server.__main__')))"
RUN mkdir /data

FROM wheel AS worker-build
ARG WORKER_EXTRAS=keras-cpu
COPY constraints.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /opt/dodona/bin/python install --constraint constraints.txt \
        "$(echo /wheels/dodona-*.whl)[$WORKER_EXTRAS]"

FROM python:3.13-slim AS worker
COPY --from=worker-build /opt/dodona /opt/dodona
# Keras and others write below HOME; with a read-only root, mount a volume or a tmpfs on /tmp.
ENV PATH=/opt/dodona/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
USER 10001:10001
WORKDIR /app
CMD ["dodona", "run", "--logs", "-", "train.py"]

FROM python:3.13-slim AS server
COPY --from=server-build /opt/dodona /opt/dodona
COPY --from=server-build --chown=10001:10001 /data /data
ENV PATH=/opt/dodona/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DODONA_HOST=0.0.0.0 \
    DODONA_PORT=8080
# Numeric, so that a cluster can check that it is not root.
USER 10001:10001
# Where the database is by default.
WORKDIR /data
VOLUME /data
EXPOSE 8080
# http.client, because urllib.request would use a proxy from the environment.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", "import os, sys, http.client as h; c = h.HTTPConnection('127.0.0.1', int(os.environ['DODONA_PORT']), timeout=4); c.request('GET', '/healthz'); sys.exit(c.getresponse().status != 200)"]
CMD ["dodona", "serve"]
