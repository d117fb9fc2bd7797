#!/bin/bash
# node.sh VERSION NPM-VERSION fetches Node.js and npm into /out. The package
# node-linux-ARCH has no npm, the package npm has no node, and together they
# are what nodejs.org ships.
set -euo pipefail
update-ca-certificates >/dev/null 2>&1
export NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
case "$(dpkg --print-architecture)" in
amd64) arch=x64 ;;
arm64) arch=arm64 ;;
*) exit 1 ;;
esac
local=/out/usr/local npm=/out/usr/local/lib/node_modules/npm
mkdir -p /fetched "$npm"
cd /fetched
npm pack --silent "node-linux-$arch@$1" "npm@$2"
tar -xzf node-linux-*.tgz --strip-components 1 -C "$local" --no-same-owner package/bin package/include
tar -xzf npm-*.tgz --strip-components 1 -C "$npm" --no-same-owner
# Headers of OpenSSL for machines that nobody has, 50 MB of them.
find "$local/include/node/openssl/archs" -mindepth 1 -maxdepth 1 \
	! -name linux-x86_64 ! -name linux-aarch64 -exec rm -rf {} +
rm -rf "$npm/docs" "$npm/man"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$local/bin/npx"
chmod 755 "$local/bin/node" "$npm"/bin/*.js
find /out -exec touch -h -r /etc/debian_version {} +
