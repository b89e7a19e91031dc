# The workers' images: `workers` without models, which is small, and `models` with what the stages filter, dedup
# and detect need on top. Any base with python3 3.11 to 3.13 and its venv module will do; one that has PyTorch
# itself spares `models` the build with CUDA:
#   podman build --network=host --build-arg BASE_IMAGE=debian-with-python3 --target workers .
# The same inputs give the same image: build with --timestamp (podman) or SOURCE_DATE_EPOCH (docker).
ARG BASE_IMAGE=docker.io/library/python:3.12-slim

FROM ${BASE_IMAGE} AS code
COPY data_miner /opt/app/data_miner
# The same modes whatever the umask under which the repository was cloned.
RUN chmod -R u=rwX,go=rX /opt/app; \
    PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash /opt/app

# Dependencies only: rebuilt when the lock changes, not when the code does. They are no copy out of another stage, which
# each build would read as a whole to see that it is the same.
FROM ${BASE_IMAGE} AS runtime
LABEL org.opencontainers.image.title="data-miner" \
      org.opencontainers.image.description="Workers that mine videos for frames" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OMP_NUM_THREADS=1
WORKDIR /tmp
EXPOSE 8080
CMD ["python", "-m", "data_miner.cli", "--help"]
COPY --chmod=0644 image/requirements.lock /build/
# Optional secrets: "ca" is a bundle of certificates and "pip" a pip.conf, where the network needs its own.
# pip goes again, as no image has a use for it. Byte code that is never checked against time stamps is the same each time.
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    --mount=type=secret,id=pip,target=/run/secrets/pip.conf \
    set -eu; \
    if [ -s /run/secrets/ca.crt ]; then export PIP_CERT=/run/secrets/ca.crt; fi; \
    if [ -s /run/secrets/pip.conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip.conf; fi; \
    python3 -m venv /opt/pip; \
    python3 -m venv --without-pip /opt/venv; \
    /opt/pip/bin/python -m pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile \
        --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r /build/requirements.lock; \
    site=$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
    find "$site" -type d -name tests -prune -exec rm -rf {} +; \
    echo /opt/app > "$site/data_miner.pth"; \
    printf '#!/opt/venv/bin/python\nfrom data_miner.cli import app\n\napp(prog_name="data-miner")\n' \
        > /opt/venv/bin/data-miner; \
    chmod 0755 /opt/venv/bin/data-miner; \
    PYTHONHASHSEED=0 /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash "$site"; \
    rm -rf /build /opt/pip

# Models that should be part of the image, by name; --build-context local-models=DIRECTORY stands in for this.
FROM scratch AS local-models
WORKDIR /none

FROM ${BASE_IMAGE} AS own-models
COPY --from=local-models / /opt/models
RUN chmod -R u=rwX,go=rX /opt/models

FROM runtime AS runtime-with-models
COPY --chmod=0644 image/models.lock image/torch.lock /build/
# pip leaves alone what the first image has. The base's own packages become visible, for a PyTorch among them.
RUN --mount=type=secret,id=ca,target=/run/secrets/ca.crt \
    --mount=type=secret,id=pip,target=/run/secrets/pip.conf \
    set -eu; \
    if [ -s /run/secrets/ca.crt ]; then export PIP_CERT=/run/secrets/ca.crt; fi; \
    if [ -s /run/secrets/pip.conf ]; then export PIP_CONFIG_FILE=/run/secrets/pip.conf; fi; \
    sed -i 's/^include-system-site-packages = false/include-system-site-packages = true/' /opt/venv/pyvenv.cfg; \
    set -- -r /build/models.lock; \
    if ! python -c 'import torch' 2>/dev/null; then set -- "$@" -r /build/torch.lock; fi; \
    site=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
    python -m venv /opt/pip; \
    touch /build/begun; \
    /opt/pip/bin/python -m pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile \
        --disable-pip-version-check --no-deps --only-binary :all: --require-hashes "$@"; \
    find "$site" -type d -name tests -prune -exec rm -rf {} +; \
    find "$site" -name '*.py' -cnewer /build/begun > /build/new; \
    PYTHONHASHSEED=0 python -m compileall -q --invalidation-mode unchecked-hash -i /build/new; \
    rm -rf /build /opt/pip

# The code comes last, so that a change of it moves kilobytes.
FROM runtime-with-models AS models
ENV DATA_MINER_MODELS=/opt/models
COPY --from=own-models /opt/models /opt/models
COPY --from=code /opt/app /opt/app
USER 10001:10001

FROM runtime AS workers
COPY --from=code /opt/app /opt/app
USER 10001:10001
