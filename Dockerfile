# The image of every cxpulse process: worker, monitor, simulator, commands.
#
#   docker build -t cxpulse:0.1.0 .
#   docker run --rm cxpulse:0.1.0 metrics
#
# It holds no servers of its own: `cxpulse demo` is for a checkout.

# The first stage has a compiler, for packages without a wheel for this machine (on arm64).
FROM python:3.13.18-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv /opt/cxpulse
# What changes seldom comes first. Every file is the one that was locked, or the build fails.
COPY deploy/requirements.lock deploy/build-requirements.lock ./
RUN /opt/cxpulse/bin/pip install --require-hashes -r requirements.lock \
    && python -m pip install --require-hashes -r build-requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY schemas/ schemas/
COPY processor/ processor/
# Compiled here: the processes cannot write there.
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && /opt/cxpulse/bin/pip install --no-deps /wheels/cxpulse-*.whl \
    && /opt/cxpulse/bin/pip uninstall --yes pip \
    && python -m compileall -q /opt/cxpulse/lib

FROM python:3.13.18-slim-trixie
LABEL org.opencontainers.image.title="cxpulse" \
      org.opencontainers.image.description="Customer-experience metrics, live and right, from Kafka" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
# A fixed number, so that files of volumes belong to it and a host can tell it apart.
RUN groupadd --gid 10001 cxpulse \
    && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin cxpulse
COPY --from=build /opt/cxpulse /opt/cxpulse
ENV PATH=/opt/cxpulse/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# Where a cxpulse.toml may be mounted.
WORKDIR /app
USER 10001:10001
STOPSIGNAL SIGTERM
# Each process has a health check of its own, or none: see docker-compose.yml.
HEALTHCHECK NONE
ENTRYPOINT ["cxpulse"]
CMD ["--help"]
