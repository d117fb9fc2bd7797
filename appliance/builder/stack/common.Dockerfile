
# Everything below is small and quickly made again.
RUN --mount=type=bind,source=make/user.sh,target=/make.sh /make.sh
COPY ca/ /usr/local/share/ca-certificates/
RUN update-ca-certificates >/dev/null 2>&1
COPY berth /usr/local/bin/berth
COPY root/ /
ENV HOME=/app
WORKDIR /app
USER 1000:1000
CMD ["/bin/bash"]
