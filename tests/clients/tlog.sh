#!/usr/bin/env bash
# Writes an invented, cosigned log and lets the transparency-log libraries of others judge it: tlog.sh [ENTRIES]
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --locked --workspace --example cosigned_log
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
"${CARGO_TARGET_DIR:-target}/debug/examples/cosigned_log" "$log/export" "${1:-1500}"
cd tests/clients/tlog
go run . "$log/export" "$log/export.policy" "$log/export.proofs"
