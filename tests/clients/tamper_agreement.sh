#!/usr/bin/env bash
# Writes an invented log, tampers with it a thousand times, and lets both verifiers judge: tamper_agreement.sh [PYTHON]
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --locked --workspace --example sample_log --bin schakel-verify
target=${CARGO_TARGET_DIR:-target}/debug
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
"$target/examples/sample_log" "$log/export" 600
"${1:-python3}" tests/clients/tamper_agreement.py "$log/export" "$target/schakel-verify" --count 1000
