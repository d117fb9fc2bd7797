# What the stack is built on when it is this machine's own: Debian's packages,
# Node.js and Go. The stages "node" and "go", which only fetch, run beside
# "packages" and leave nothing else behind. Debian's own npm and Go are only the
# tools that fetch the ones we want.
#
# There are no cache mounts: whoever may push a Dockerfile can write to a cache
# mount of any name, and so into what all apps would run on.

ARG BASE
FROM ${BASE} AS debian
COPY dpkg.cfg /etc/dpkg/dpkg.cfg.d/berth

FROM debian AS packages
# Another edition is what has packages fetched anew.
ARG EDITION
RUN --mount=type=bind,source=make/packages.sh,target=/make.sh /make.sh

FROM debian AS node
RUN --mount=type=bind,source=make/tool.sh,target=/make.sh /make.sh npm
COPY ca/ /usr/local/share/ca-certificates/
RUN --mount=type=bind,source=make/node.sh,target=/make.sh /make.sh 24.21.0 11.21.2

FROM debian AS go
RUN --mount=type=bind,source=make/tool.sh,target=/make.sh /make.sh golang-go
COPY ca/ /usr/local/share/ca-certificates/
RUN --mount=type=bind,source=make/go.sh,target=/make.sh /make.sh 1.26.11

FROM packages AS base
COPY --from=node /out/ /
COPY --from=go /out/ /
RUN --mount=type=bind,source=make/version.sh,target=/make.sh /make.sh
# Buildpacks choose what they bring by the name of the stack. This is the one
# whose binaries run here.
ENV LANG=C.UTF-8 STACK=heroku-22
ARG VERSION
LABEL berth.stack.version=${VERSION}

# What the base calls itself is known only when it is there: this says it, also
# when all of it came from the cache.
FROM base AS said
ARG NOW
RUN cat /build/stack/version
