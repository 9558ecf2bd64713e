#!/usr/bin/env bash
# Copies the browser client that the server hands out from the npm package
# socket.io-client, in the version that e2e/package.json pins.
set -euo pipefail
cd "$(dirname "$0")/.."

(cd e2e && npm ci --no-audit --no-fund)
package=e2e/node_modules/socket.io-client
cp $package/dist/socket.io.min.js $package/dist/socket.io.esm.min.js $package/LICENSE socketio/client/
