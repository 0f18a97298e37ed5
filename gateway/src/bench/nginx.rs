//! NGINX: the same unary calls through a proxy that everybody knows, where it is installed. It checks the caller's certificate and calls
//! the receiver with one, as a gateway in between would.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::machine::children_of;
use super::{STREAMS, Setup};

/// Longest wait until it listens.
const START: Duration = Duration::from_secs(10);
/// Pause between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(20);

/// A running nginx of our own; it ends with this value.
pub(super) struct Nginx {
    child: Child,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

impl Nginx {
    /// Starts it in front of the receiver; none when it is not installed or does not start.
    pub(super) async fn start(folder: &Path, receiver: &Setup) -> Option<Self> {
        let address = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr()).ok()?;
        std::fs::create_dir_all(folder).ok()?;
        let path = folder.join("nginx.conf");
        std::fs::write(&path, configuration(folder, address, receiver)).ok()?;
        let child = Command::new("nginx")
            .args(["-e", "error.log", "-p"])
            .arg(folder)
            .arg("-c")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .ok()?;
        let mut nginx = Self { child, address };
        nginx.listens().await.then_some(nginx)
    }

    /// Its processes: the master and its workers.
    pub(super) fn pids(&self) -> Vec<u32> {
        let Some(master) = self.child.id() else { return Vec::new() };
        let mut pids = children_of(master);
        pids.push(master);
        pids
    }

    /// Ends it with its workers: a killed master would leave them.
    pub(super) async fn stop(mut self) {
        if let Some(id) = self.child.id() {
            let _sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().await;
            let _ended = tokio::time::timeout(START, self.child.wait()).await;
        }
    }

    async fn listens(&mut self) -> bool {
        let since = Instant::now();
        while since.elapsed() < START {
            if TcpStream::connect(self.address).await.is_ok() {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
        false
    }
}

fn configuration(folder: &Path, address: SocketAddr, receiver: &Setup) -> String {
    let Setup { bare, certificate, key, trust, .. } = receiver;
    let (folder, certificate, key, trust) = (folder.display(), certificate.display(), key.display(), trust.display());
    format!(
        "daemon off; worker_processes 2; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream receiver {{ server {bare}; keepalive 256; keepalive_requests 1000000000; }}
    server {{
        listen {address} ssl http2;
        http2_max_concurrent_streams {STREAMS}; keepalive_requests 1000000000;
        ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
        ssl_client_certificate {trust}; ssl_verify_client on;
        location / {{
            grpc_pass grpcs://receiver;
            grpc_ssl_certificate {certificate}; grpc_ssl_certificate_key {key}; grpc_ssl_protocols TLSv1.3;
        }}
    }}
}}
"
    )
}
