# What every stack has, this machine's own and those on an image of somebody
# else's, such as heroku/heroku:24-build, which has its own packages and
# languages, or leaves them to its buildpacks. All of it is small and quickly
# made again.
ARG BASE
FROM ${BASE}
USER root
RUN --mount=type=bind,source=make/user.sh,target=/make.sh /make.sh
COPY ca/ /usr/local/share/ca-certificates/
RUN --mount=type=bind,source=make/trust.sh,target=/make.sh /make.sh
COPY berth /usr/local/bin/berth
COPY root/ /
ENV HOME=/app
WORKDIR /app
USER 1000:1000
ENTRYPOINT []
CMD ["/bin/bash"]
ARG VERSION
LABEL berth.stack.version=${VERSION}
