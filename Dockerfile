# syntax=docker/dockerfile:1
# The centre: one image for `run`, `ingest`, `work` and the pages alone (gunicorn). It runs as nobody in particular,
# writes only below /var/lib/pikvani, and needs no network while it is built but the package index.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements/server.txt requirements/build.txt requirements/device.txt requirements/
RUN python -m venv /opt/pikvani && /opt/pikvani/bin/pip install --require-hashes -r requirements/server.txt \
 && python -m venv /opt/build && /opt/build/bin/pip install --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY contract contract
COPY device device
COPY sync-server sync-server
COPY models models
COPY provisioning provisioning
COPY systemd systemd
RUN /opt/build/bin/hatchling build -t wheel -d /dist \
 && /opt/pikvani/bin/pip install --no-deps /dist/*.whl

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/pikvani --create-home pikvani
COPY --from=build /opt/pikvani /opt/pikvani
ENV PATH=/opt/pikvani/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    PIKVANI_SERVER_CONFIG=/etc/pikvani/centre.toml
COPY deploy/centre.toml /etc/pikvani/centre.toml
USER 10001
WORKDIR /var/lib/pikvani
VOLUME /var/lib/pikvani
EXPOSE 8080 9100
HEALTHCHECK --interval=30s --timeout=5s --start-period=40s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["pikvani-server", "--log-json"]
CMD ["run", "--config", "/etc/pikvani/centre.toml"]
