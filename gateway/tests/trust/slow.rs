//! Slow connections of six kinds from other addresses, and a flood of connects: whoever is honest is answered all the while, every slow
//! one is closed, and at the limit of open files the program neither dies nor spins.

use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use schakel::demo::scenario::Scenario;
use schakel::demo::world::{Ports, World};
use schakel::tls::{ClientTls, Http2Limits, Limits};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio_rustls::client::TlsStream;

use super::frames::{PREFACE, frame, health_check};
use super::kit::{Clock, Door, Folder, HOST, Settings, ca, call, changed, expect, long, raw_client, spki, within};

/// Kinds of slow connections.
const KINDS: usize = 6;
/// A slow connection must be closed within this time in the long run: the figure to reach.
const CLOSED: Duration = Duration::from_secs(10);

/// From another address of this machine than the honest callers.
async fn connect(number: usize, to: SocketAddr) -> std::io::Result<TcpStream> {
    let from = format!("127.0.{}.{}:0", 1 + number % 8, 1 + number % 4);
    let socket = TcpSocket::new_v4()?;
    socket.bind(from.parse().unwrap())?;
    socket.connect(to).await
}

/// A stranger who holds a connection and does as little as possible with it; ends when the other side ends it.
async fn hold(number: usize, to: SocketAddr, config: Arc<ClientConfig>) {
    let Ok(mut stream) = connect(number, to).await else { return };
    match number % KINDS {
        0 => {}
        1 => drop(stream.write_all(&hello(&config)[..40]).await),
        2 => drop(stream.write_all(&hello(&config)).await),
        kind => {
            let tls = tokio_rustls::TlsConnector::from(config).connect(HOST.try_into().unwrap(), stream).await;
            if let Ok(tls) = tls {
                hold_tls(kind, tls).await;
            }
            return;
        }
    }
    drop(stream.read_to_end(&mut Vec::new()).await);
}

async fn hold_tls(kind: usize, mut stream: TlsStream<TcpStream>) {
    match kind {
        3 => {
            drop(stream.write_all(&PREFACE[..12]).await);
            drop(stream.read_to_end(&mut Vec::new()).await);
        }
        4 => trickle(stream).await,
        _ => {
            // No window for any answer, and nothing is read: not even the question whether anybody is there.
            let no_window = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
            let calls = (0..50_u32).flat_map(|n| [frame(1, 4, 2 * n + 1, &health_check()), frame(0, 1, 2 * n + 1, &[0; 5])].concat());
            let bytes: Vec<u8> = PREFACE[..24].iter().copied().chain(no_window).chain(calls).collect();
            drop(stream.write_all(&bytes).await);
            // Only the end of the connection is noticed: bytes that came stay where they are.
            let (raw, _) = stream.get_ref();
            let gone = async {
                let mut pulse = tokio::time::interval(Duration::from_millis(50));
                while !raw.ready(tokio::io::Interest::READABLE).await.is_ok_and(|ready| ready.is_read_closed()) {
                    pulse.tick().await;
                }
            };
            gone.await;
        }
    }
}

/// One byte of a call each second, until the call or the connection is ended.
async fn trickle(stream: TlsStream<TcpStream>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let body = [PREFACE.to_vec(), frame(1, 4, 1, &health_check())].concat();
    drop(writer.write_all(&body).await);
    let writing = async {
        let mut pulse = tokio::time::interval(Duration::from_secs(1));
        loop {
            pulse.tick().await;
            if writer.write_all(&frame(0, 0, 1, &[0])).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let reading = async {
        let mut head = [0; 9];
        while reader.read_exact(&mut head).await.is_ok() {
            let [a, b, c, kind, _, rest @ ..] = head;
            let mut content = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            // An answer to the call (headers, or its reset) ends it.
            if reader.read_exact(&mut content).await.is_err() || (rest == 1_u32.to_be_bytes() && [1, 3].contains(&kind)) {
                return;
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
}

/// The first flight of a handshake.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut session = rustls::ClientConnection::new(Arc::clone(config), HOST.try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    session.write_tls(&mut bytes).unwrap();
    bytes
}

/// Calls on a fresh connection each time, until told to stop; how long each took.
async fn honest(door: Arc<Door>, tls: Arc<ClientTls>, keys: Vec<schakel_domain::id::Hash>, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stop.load(Ordering::SeqCst) || took.len() < 20 {
        let started = Instant::now();
        let (channel, tap) = door.channel(&tls, keys.clone());
        call(&channel).await.unwrap_or_else(|status| panic!("an honest caller was not answered: {status} {:?}", tap.last()));
        took.push(started.elapsed());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    took.sort();
    took
}

fn p99(took: &[Duration]) -> Duration {
    took[(took.len() * 99 / 100).min(took.len() - 1)]
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_honest_is_answered_while_slow_connections_and_a_flood_of_connects_are_closed() {
    let slow = if long() { 1_000 } else { 20 * KINDS };
    let (root, folder, clock) = (ca("root"), Folder::new(), Clock::standing());
    let (server, shown) = (changed(&root, |_| ()), changed(&root, |_| ()));
    let second = Duration::from_secs(1);
    // The shipped bounds, except the time for a call: half a minute to wait for.
    let http2 = Http2Limits { request: 8 * second, ..Http2Limits::default() };
    let limits = Limits::default();
    let door = Arc::new(Door::open(Settings { limits, http2, ..Settings::of(folder.write(&server, &root.pem(), &[])) }).await);
    let tls = ClientTls::new(Folder::new().write(&shown, &root.pem(), &[]), Clock::standing()).unwrap();
    let keys = vec![spki(&server)];
    let idle = Arc::new(AtomicBool::new(true));
    let before = honest(Arc::clone(&door), Arc::clone(&tls), keys.clone(), idle).await;

    let (stop, closed, memory) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), resident());
    let calling = tokio::spawn(honest(Arc::clone(&door), tls, keys, Arc::clone(&stop)));
    let config = raw_client(&root.pem(), Some(&shown), &[b"h2"], &clock);
    let started = Instant::now();
    for number in 0..slow {
        let (address, config, closed) = (door.address, Arc::clone(&config), Arc::clone(&closed));
        tokio::spawn(async move {
            hold(number, address, config).await;
            closed.fetch_add(1, Ordering::SeqCst);
        });
    }
    expect("every slow connection closed", async || closed.load(Ordering::SeqCst) == slow).await;
    let all_closed = started.elapsed();
    let floods = flood(door.address, if long() { 60 * second } else { second }).await;
    stop.store(true, Ordering::SeqCst);
    let during = within(calling).await.unwrap();

    let grown = resident().saturating_sub(memory) >> 20;
    println!(
        "{slow} slow connections closed after {} ms, {floods} connects in a flood, {} honest calls: p99 {} ms, before {} ms; {grown} MiB more",
        all_closed.as_millis(),
        during.len(),
        p99(&during).as_millis(),
        p99(&before).as_millis(),
    );
    if long() {
        assert!(all_closed <= CLOSED + 5 * second, "closed after {all_closed:?}");
        assert!(grown <= 100, "{grown} MiB more");
    }
}

/// Connects and lets go, as fast as it goes, up to ten thousand a second; how many.
async fn flood(to: SocketAddr, lasts: Duration) -> usize {
    let end = Instant::now() + lasts;
    let mut made = 0;
    let mut pulse = tokio::time::interval(Duration::from_millis(10));
    while Instant::now() < end {
        pulse.tick().await;
        for _ in 0..100 {
            made += usize::from(connect(made, to).await.is_ok());
        }
    }
    made
}

/// Memory of this process, in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * 4096
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_of_open_files_the_program_waits_and_serves_again_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let mut scenario = Scenario::gelderland().unwrap();
    scenario.organizations.truncate(1);
    scenario.steps.clear();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let ports = Ports { federation: any, line: "127.0.0.1:1".parse().unwrap(), care: any, audit: any, admin: any };
    let world = World::make(&folder.path().canonicalize().unwrap(), &scenario, &[ports], jiff::Timestamp::now()).unwrap();
    let home = &world.homes[0];
    let mut program = Command::new("sh")
        .args(["-c", "ulimit -n 90 && exec \"$0\" serve --json --config \"$1\"", env!("CARGO_BIN_EXE_schakel")])
        .arg(&home.config)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(program.stdout.take().unwrap()).lines();
    let hello = within(said.next_line()).await.unwrap().expect("it must say that it is open");
    let hello: serde_json::Value = serde_json::from_str(&hello).unwrap();
    let address: SocketAddr = hello["federation"].as_str().unwrap().parse().unwrap();
    let mut complaints = BufReader::new(program.stderr.take().unwrap()).lines();

    let held: Vec<_> = futures_util::future::join_all((0..150).map(|number| connect(number, address))).await;
    let complained = async { while !complaints.next_line().await.unwrap().unwrap().contains("cannot accept connections") {} };
    within(complained).await;
    tokio::spawn(async move { while let Ok(Some(_)) = complaints.next_line().await {} });
    let (used, watched) = (ticks(&program), Duration::from_secs(2));
    tokio::time::sleep(watched).await;
    let spent = ticks(&program) - used;

    println!("at the limit of open files: {spent} ticks of CPU (of 10 ms) in {} s", watched.as_secs());
    assert!(spent < 150, "{spent} ticks in two seconds: the accept loop spins");
    drop(held);
    let trust = std::fs::read_to_string(&world.ca).unwrap();
    let clock = Clock::standing();
    clock.set(jiff::Timestamp::now());
    let config = raw_client(&trust, None, &[b"h2"], &clock);
    expect("a handshake again", async || {
        let Ok(stream) = TcpStream::connect(address).await else { return false };
        let connecting = tokio_rustls::TlsConnector::from(Arc::clone(&config)).connect(HOST.try_into().unwrap(), stream);
        tokio::time::timeout(Duration::from_secs(5), connecting).await.is_ok_and(|done| done.is_ok())
    })
    .await;
    assert!(program.try_wait().unwrap().is_none(), "it still runs");
}

/// CPU time of a process, in hundredths of a second.
fn ticks(program: &tokio::process::Child) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.id().unwrap())).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].iter().map(|at| fields[*at].parse::<u64>().unwrap()).sum()
}
