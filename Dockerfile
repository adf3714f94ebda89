# All images of the system. Targets: gateway, model (compa and the identification services differ by data only), migrate.
FROM python:3.11-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/app PATH=/opt/venv/bin:$PATH \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MALLOC_ARENA_MAX=2
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin medreid
WORKDIR /app
STOPSIGNAL SIGTERM

# One layer per role, from its lock. Nothing can be installed into a running container: pip stays behind.
FROM base AS packages
RUN python3 -m venv --without-pip /opt/venv
ENV PIP_PYTHON=/opt/venv/bin/python PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
FROM packages AS gateway-packages
COPY requirements/gateway.lock .
RUN pip install --require-hashes --requirement gateway.lock
FROM packages AS model-packages
COPY requirements/model.lock .
RUN pip install --require-hashes --requirement model.lock
FROM packages AS migrate-packages
COPY requirements/migrate.lock .
RUN pip install --require-hashes --requirement migrate.lock

FROM base AS service
USER medreid
ENV MEDREID_HOST=0.0.0.0 MEDREID_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=3s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-m", "shared.service.probe"]

FROM service AS gateway
COPY --from=gateway-packages /opt/venv /opt/venv
COPY shared/ shared/
COPY gateway/ gateway/
CMD ["python", "-m", "gateway"]

FROM service AS model
COPY --from=model-packages /opt/venv /opt/venv
COPY shared/ shared/
# The last layer, and the only one in which the model services differ.
ARG MODEL
COPY ${MODEL}-service/ ${MODEL}-service/
WORKDIR /app/${MODEL}-service
CMD ["python", "app.py"]

FROM base AS migrate
USER medreid
COPY --from=migrate-packages /opt/venv /opt/venv
COPY shared/ shared/
CMD ["python", "-m", "shared.database", "migrate"]
