#!/usr/bin/env bash
# Writes a log of a million entries and times its verification: million.sh [ENTRIES]
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --locked --release --package schakel-verify --example cosigned_log --bin schakel-verify
target=${CARGO_TARGET_DIR:-target}/release
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
"$target/examples/cosigned_log" "$log/export" "${1:-1000000}"
time "$target/schakel-verify" "$log/export" --policy "$log/export.policy" --json
