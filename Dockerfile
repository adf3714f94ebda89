# All images of the system. Targets: gateway, model, migrate. The model services differ by their data; COMPA's image has no
# database driver (LOCK=compa). Every wheel in requirements/*.lock exists for linux/amd64 and linux/arm64.

# Python without tools that only install or convert. Debian packages are removed by dpkg, so that its list stays true.
FROM python:3.11-slim-bookworm AS python
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin medreid \
    && find /usr/local /usr/lib -depth \( -path '*/bin/*' -o -path '*/python3*' \) \
        \( -name 'pip*' -o -name 'setuptools*' -o -name 'wheel*' -o -name pkg_resources \
        -o -name _distutils_hack -o -name ensurepip -o -name idlelib -o -name lib2to3 \
        -o -name pydoc_data -o -name turtledemo -o -name test \) -exec rm -rf {} + \
    && rm -rf /usr/share/python-wheels /usr/share/info /usr/lib/*/gconv /var/cache/* /var/lib/apt/lists/* /var/log/* \
    && dpkg --purge --force-remove-essential --force-remove-protected --force-depends \
        apt e2fsprogs logsave perl-base

# Flattened, so that no layer holds the removed files.
FROM scratch AS base
COPY --from=python / /
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PYTHONPATH=/app \
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=33554432 MALLOC_TRIM_THRESHOLD_=134217728
WORKDIR /app
STOPSIGNAL SIGTERM
USER medreid
ARG VERSION=0.1.0
LABEL org.opencontainers.image.vendor="MedReID" org.opencontainers.image.licenses="Apache-2.0" org.opencontainers.image.version="${VERSION}"
COPY LICENSE NOTICE ./

# One layer of packages per role, from its lock. pip, strip and their caches are not copied.
FROM python:3.11-slim-bookworm AS packages
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils >/dev/null \
    && python3 -m venv --without-pip /opt/venv
ENV PIP_PYTHON=/opt/venv/bin/python PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_PROGRESS_BAR=off
COPY deploy/slim.sh /usr/local/bin/slim
FROM packages AS gateway-packages
COPY requirements/gateway.lock .
RUN pip install --no-deps --require-hashes --requirement gateway.lock && slim /opt/venv/lib/python3.11/site-packages
FROM packages AS model-packages
ARG LOCK=model
COPY requirements/${LOCK}.lock model.lock
RUN pip install --no-deps --require-hashes --requirement model.lock && slim /opt/venv/lib/python3.11/site-packages
FROM packages AS migrate-packages
COPY requirements/migrate.lock .
RUN pip install --no-deps --require-hashes --requirement migrate.lock && slim /opt/venv/lib/python3.11/site-packages

FROM base AS service
ENV MEDREID_HOST=0.0.0.0 MEDREID_PORT=8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-m", "shared.service.probe"]

FROM service AS gateway
LABEL org.opencontainers.image.title="MedReID gateway" \
      org.opencontainers.image.description="The public API: decodes, routes and decides."
CMD ["python", "-m", "gateway"]
COPY --from=gateway-packages /opt/venv /opt/venv
COPY shared/ shared/
COPY gateway/ gateway/

FROM service AS model
COPY --from=model-packages /opt/venv /opt/venv
COPY shared/ shared/
CMD ["python", "app.py"]
ARG MODEL
LABEL org.opencontainers.image.title="MedReID ${MODEL}-service" \
      org.opencontainers.image.description="One model behind HTTP: ${MODEL}."
WORKDIR /app/${MODEL}-service
# The last layer, and the only one that differs between the model services.
COPY ${MODEL}-service/ ./

FROM base AS migrate
LABEL org.opencontainers.image.title="MedReID migrate" \
      org.opencontainers.image.description="Brings the database's schema up to date, and ends."
CMD ["python", "-m", "shared.database", "migrate"]
COPY --from=migrate-packages /opt/venv /opt/venv
COPY shared/ shared/
