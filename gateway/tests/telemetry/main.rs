//! What operators see of real gateways: traces, metrics and log lines, taken by a collector that others made. And what they never see: a
//! young person (T28).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod canary;
mod collector;
mod node;
mod off;
mod trace;
