
# Everything below is small and quickly made again.
RUN { getent group 1000 >/dev/null || groupadd --gid 1000 app; } && \
    { getent passwd 1000 >/dev/null || useradd --uid 1000 --gid 1000 --home-dir /app --no-create-home --shell /bin/bash app; } && \
    install -d -o 1000 -g 1000 /app /cache /tmp/build && install -d -m 1777 /build/env
COPY ca/ /usr/local/share/ca-certificates/
RUN update-ca-certificates >/dev/null 2>&1
COPY berth /usr/local/bin/berth
COPY root/ /
ENV HOME=/app
WORKDIR /app
USER 1000:1000
CMD ["/bin/bash"]
