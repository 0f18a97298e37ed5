//! Real gateways on one machine, as many as a test wants: TLS, tokens, signatures, databases and the courier between them. What people do
//! goes by the doors; nothing is mocked.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "region/checked.rs"]
mod checked;
#[path = "region/faults.rs"]
mod faults;
#[path = "region/kit.rs"]
mod kit;
#[path = "region/lost_key.rs"]
mod lost_key;
#[path = "region/remote_cli.rs"]
mod remote_cli;
#[path = "region/restored.rs"]
mod restored;
#[path = "region/silence.rs"]
mod silence;
#[path = "region/starts.rs"]
mod starts;
#[path = "region/two_gateways.rs"]
mod two_gateways;
