# docker build -t sekisho .
# docker run --rm -v shop:/data sekisho init /data        writes the config; set smtp.listen in it to "0.0.0.0:25"
# docker run -d --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --stop-timeout 90 \
#            -v shop:/data -p 25:25 sekisho                runs it
# Port 25 needs no privilege inside: engines set net.ipv4.ip_unprivileged_port_start=0 for a container. Where yours does
# not, add --sysctl net.ipv4.ip_unprivileged_port_start=0 or listen on another port and map it.

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY constraints.txt ./
ENV PIP_CONSTRAINT=/src/constraints.txt PIP_BUILD_CONSTRAINT=/src/constraints.txt
RUN python -m venv /opt/sekisho
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY filters filters
COPY migrations migrations
RUN /opt/sekisho/bin/python -m pip install -c constraints.txt '.[fast]' \
    && /opt/sekisho/bin/python -m compileall -q /opt/sekisho/lib

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin sekisho \
    && install -d -o sekisho -g sekisho -m 0750 /data
COPY --from=build /opt/sekisho /opt/sekisho
ENV PATH=/opt/sekisho/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SEKISHO_CONFIG=/data/config.yaml
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 25
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=60s --timeout=15s --start-period=30s --retries=3 CMD ["sekisho", "status", "--alive", "--json"]
ENTRYPOINT ["sekisho"]
CMD ["run"]
