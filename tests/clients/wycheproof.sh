#!/usr/bin/env bash
# Fetches the signatures of Project Wycheproof, as the Go module that it publishes, and runs the given command with their place in
# WYCHEPROOF_JWS. The version is pinned by tests/clients/wycheproof/go.sum.
set -euo pipefail
module=$(cd "$(dirname "$0")/wycheproof" && go mod download -json github.com/c2sp/wycheproof)
folder=$(printf '%s' "$module" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p')
export WYCHEPROOF_JWS="$folder/testvectors_v1/json_web_signature_test.json"
test -s "$WYCHEPROOF_JWS"
exec "$@"
