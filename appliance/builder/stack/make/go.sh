#!/bin/bash
# go.sh VERSION fetches a Go toolchain into /out, which is a module like any.
set -euo pipefail
update-ca-certificates >/dev/null 2>&1
toolchain=v0.0.1-go$1.linux-$(dpkg --print-architecture)
export GOPATH=/fetched GOFLAGS=-modcacherw
go mod download "golang.org/toolchain@$toolchain"
mkdir -p /out/usr/local/bin
mv "/fetched/pkg/mod/golang.org/toolchain@$toolchain" /out/usr/local/go
cd /out/usr/local/go
rm -rf api doc misc test
find src -name testdata -prune -exec rm -rf {} +
find src -name '*_test.go' -delete
# A module's files have no modes.
chmod -R u+w,go+rX .
find bin pkg/tool -type f -exec chmod 755 {} +
ln -s ../go/bin/go ../go/bin/gofmt /out/usr/local/bin/
# Nor dates.
find /out -exec touch -h -r /etc/debian_version {} +
