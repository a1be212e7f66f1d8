# The platform in a container: slim, not root, and able to run with a read-only root file system.
# Everything that is to stay lies in the volume /data.
FROM python:3.13-slim AS build
WORKDIR /source
COPY setup.py setup.cfg pyproject.toml README.md LICENSE ./
COPY fmzthreads fmzthreads
COPY examples examples
RUN python -m venv /opt/fmzthreads && /opt/fmzthreads/bin/pip install --no-cache-dir ".[platform,js]"

FROM python:3.13-slim
# The image of Python holds no bytecode of the standard library: with a read-only root each process would compile it anew.
RUN python -m compileall -q -x '/(test|tests|idlelib|lib2to3|site-packages)/' /usr/local/lib/python3.13
# git keeps the versions of strategies.
RUN apt-get update && apt-get install -y --no-install-recommends git && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin fmzthreads \
    && mkdir /data && chown 10001:10001 /data && chmod 700 /data
COPY --from=build /opt/fmzthreads /opt/fmzthreads
ENV PATH=/opt/fmzthreads/bin:$PATH FMZTHREADS_HOME=/data PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# At SIGTERM the robots are asked to stop: their open orders are cancelled, then onexit runs. Give the container as long and 30 s more.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
ENTRYPOINT ["fmzthreads"]
# Within a container the loopback cannot be reached from outside; a proxy with TLS, or a port that is published on the host's loopback only,
# stands in front.
CMD ["platform", "--host", "0.0.0.0", "--port", "8080", "--behind-proxy", "--stop-robots", "300"]
