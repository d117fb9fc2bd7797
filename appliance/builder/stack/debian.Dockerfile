# The stack on a Debian base. Layers stand in the order of how seldom they
# change, and the stages "node" and "go", which only fetch, run beside
# "packages" and leave nothing else behind.

ARG BASE
FROM ${BASE} AS debian
COPY dpkg.cfg /etc/dpkg/dpkg.cfg.d/berth
ENV DEBIAN_FRONTEND=noninteractive

# What building needs is also what running has: one image, one layer, which
# all apps share.
FROM debian AS packages
RUN --mount=type=cache,id=berth-apt-packages,target=/var/cache/apt \
    --mount=type=cache,id=berth-apt-packages-lists,target=/var/lib/apt/lists \
    apt-get update -qq && apt-get install -qq -y --no-install-recommends \
    bzip2 ca-certificates curl file git gnupg iproute2 jq less libdigest-sha-perl \
    netbase openssh-client openssl patch procps python3 python3-venv rsync tzdata unzip \
    wget xz-utils zip zlib1g zstd \
    autoconf automake bison build-essential libtool pkg-config \
    libbz2-dev libcurl4-openssl-dev libffi-dev libgmp-dev libicu-dev libjpeg-dev \
    liblzma-dev libncurses-dev libpng-dev libpq-dev libreadline-dev libsqlite3-dev \
    libssl-dev libwebp-dev libxml2-dev libxslt1-dev libyaml-dev zlib1g-dev \
    >/dev/null && rm -f /var/log/*.log /var/log/apt/*

# Debian's npm is only the tool that fetches the Node.js and the npm we want:
# the package node-linux-ARCH has no npm, the package npm has no node, and
# together they are what nodejs.org ships.
FROM debian AS node
RUN --mount=type=cache,id=berth-apt-node,target=/var/cache/apt \
    --mount=type=cache,id=berth-apt-node-lists,target=/var/lib/apt/lists \
    apt-get update -qq && apt-get install -qq -y --no-install-recommends ca-certificates npm >/dev/null
ARG NODE=24.21.0
ARG NPM=11.21.2
COPY ca/ /usr/local/share/ca-certificates/
RUN --mount=type=cache,id=berth-npm,target=/root/.npm \
    update-ca-certificates >/dev/null 2>&1; \
    export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt; \
    case "$(dpkg --print-architecture)" in amd64) arch=x64 ;; arm64) arch=arm64 ;; *) exit 1 ;; esac; \
    mkdir -p /fetched /out/usr/local/lib/node_modules/npm && cd /fetched && \
    npm pack --silent "node-linux-$arch@$NODE" "npm@$NPM" && \
    tar -xzf node-linux-*.tgz --strip-components 1 -C /out/usr/local --no-same-owner package/bin package/include && \
    tar -xzf npm-*.tgz --strip-components 1 -C /out/usr/local/lib/node_modules/npm --no-same-owner && \
    cd /out/usr/local/include/node/openssl/archs && ls | grep -vx -e linux-x86_64 -e linux-aarch64 | xargs rm -rf && \
    rm -rf /out/usr/local/lib/node_modules/npm/docs /out/usr/local/lib/node_modules/npm/man && \
    ln -s ../lib/node_modules/npm/bin/npm-cli.js /out/usr/local/bin/npm && \
    ln -s ../lib/node_modules/npm/bin/npx-cli.js /out/usr/local/bin/npx && \
    chmod 755 /out/usr/local/bin/node /out/usr/local/lib/node_modules/npm/bin/*.js

# Debian's Go is only the tool that fetches the Go we want.
FROM debian AS go
RUN --mount=type=cache,id=berth-apt-go,target=/var/cache/apt \
    --mount=type=cache,id=berth-apt-go-lists,target=/var/lib/apt/lists \
    apt-get update -qq && apt-get install -qq -y --no-install-recommends ca-certificates golang-go >/dev/null
ARG GO=1.26.11
COPY ca/ /usr/local/share/ca-certificates/
RUN update-ca-certificates >/dev/null 2>&1; \
    toolchain="v0.0.1-go$GO.linux-$(dpkg --print-architecture)" && \
    export GOPATH=/fetched GOFLAGS=-modcacherw && \
    go mod download "golang.org/toolchain@$toolchain" && \
    mkdir -p /out/usr/local/bin && mv "/fetched/pkg/mod/golang.org/toolchain@$toolchain" /out/usr/local/go && \
    cd /out/usr/local/go && rm -rf api doc misc test && \
    find src -name testdata -prune -exec rm -rf {} + && find src -name '*_test.go' -delete && \
    chmod -R u+w,go+rX . && find bin pkg/tool -type f -exec chmod 755 {} + && \
    ln -s ../go/bin/go ../go/bin/gofmt /out/usr/local/bin/

FROM packages
COPY --from=node /out/ /
COPY --from=go /out/ /
# Buildpacks choose what they bring by the name of the stack. This is the one
# whose binaries run here.
ENV LANG=C.UTF-8 STACK=heroku-22
