//! A collector in a process of its own: `tests/clients/otlp_receiver.py`, which is the package opentelemetry-proto behind gRPC.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

/// A collector that keeps whatever it is sent.
pub(crate) struct Collector {
    folder: TempDir,
    process: Child,
    pub(crate) endpoint: String,
}

/// One span as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// Who sent it.
    pub(crate) organization: String,
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) links: Vec<String>,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let python = std::env::var_os("TELEMETRY_PYTHON").map_or_else(|| root.join("target/tools/python/bin/python"), PathBuf::from);
        let mut command = Command::new(python);
        command.arg(root.join("tests/clients/otlp_receiver.py")).arg(folder.path());
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tests/run installs Python and its packages");
        let mut port = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        let endpoint = format!("http://127.0.0.1:{}", port.trim().parse::<u16>().expect("the collector says its port"));
        Self { folder, process, endpoint }
    }

    /// Ends it, so that everything is written.
    pub(crate) fn stop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }

    /// Every byte of it.
    pub(crate) fn raw(&self) -> Vec<(String, Vec<u8>)> {
        let kinds = ["traces", "metrics", "logs"].into_iter().flat_map(|kind| [format!("{kind}.bin"), format!("{kind}.jsonl")]);
        kinds.map(|name| (name.clone(), std::fs::read(self.folder.path().join(name)).unwrap())).collect()
    }

    fn said(&self, kind: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{kind}.jsonl"))).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for resource in self.said("traces").iter().flat_map(|said| list(said, "resourceSpans")) {
            let organization = attribute(&resource["resource"], "schakel.organization");
            for span in list(&resource, "scopeSpans").flat_map(|scope| list(&scope, "spans").collect::<Vec<_>>()) {
                spans.push(Span {
                    organization: organization.clone(),
                    name: span["name"].as_str().unwrap().to_owned(),
                    trace: hex(&span["traceId"]),
                    id: hex(&span["spanId"]),
                    parent: hex(&span["parentSpanId"]),
                    links: list(&span, "links").map(|link| hex(&link["spanId"])).collect(),
                });
            }
        }
        spans
    }

    /// Body and trace of each log line.
    pub(crate) fn lines(&self) -> Vec<(String, String)> {
        let resources = self.said("logs");
        let records =
            resources.iter().flat_map(|said| list(said, "resourceLogs")).flat_map(|one| list(&one, "scopeLogs").collect::<Vec<_>>());
        let records = records.flat_map(|scope| list(&scope, "logRecords").collect::<Vec<_>>());
        records.map(|line| (line["body"]["stringValue"].as_str().unwrap_or_default().to_owned(), hex(&line["traceId"]))).collect()
    }

    /// Names of the metrics.
    pub(crate) fn metrics(&self) -> std::collections::BTreeSet<String> {
        let said = self.said("metrics");
        let scopes =
            said.iter().flat_map(|said| list(said, "resourceMetrics")).flat_map(|one| list(&one, "scopeMetrics").collect::<Vec<_>>());
        scopes.flat_map(|scope| list(&scope, "metrics").collect::<Vec<_>>()).map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn list(value: &Value, key: &str) -> impl Iterator<Item = Value> + use<> {
    value[key].as_array().cloned().unwrap_or_default().into_iter()
}

fn attribute(of: &Value, key: &str) -> String {
    let found = list(of, "attributes").find(|one| one["key"] == key).unwrap_or_default();
    found["value"]["stringValue"].as_str().unwrap_or_default().to_owned()
}

/// Ids are bytes, which JSON carries in base64.
fn hex(id: &Value) -> String {
    let bytes = STANDARD.decode(id.as_str().unwrap_or_default()).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
