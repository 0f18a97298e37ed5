//! Frames that only make work, on a good connection: it is closed within two hundred of them, and an honest caller is answered meanwhile.

use std::sync::Arc;

use schakel::tls::ClientTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::kit::{Clock, Door, Folder, HOST, Settings, ca, call, changed, raw_client, spki, within};

/// Bad frames after which a connection must be closed.
const BAD: u32 = 200;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What an HTTP/2 client says first, with an empty settings frame.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(content.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(content);
    frame
}

/// The headers of a health check: literals, without indexing (RFC 7541 §6.2.2).
pub(crate) fn health_check() -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    fields.into_iter().flat_map(|(name, value)| literal(0, name, value)).collect()
}

fn literal(kind: u8, name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = integer(7, text.len());
        bytes.extend(text.as_bytes());
        bytes
    };
    [vec![kind], text(name), text(value)].concat()
}

/// A length with a prefix of so many bits (RFC 7541 §5.1).
fn integer(bits: u32, value: usize) -> Vec<u8> {
    let most = (1_usize << bits) - 1;
    if value < most {
        return vec![u8::try_from(value).unwrap()];
    }
    let mut bytes = vec![u8::try_from(most).unwrap()];
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128 + 128).unwrap());
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// The stream that attempt `n` opens.
fn stream(n: u32) -> u32 {
    2 * n + 1
}

fn opened(n: u32, flags: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | flags, stream(n), &health_check())
}

/// The bytes of attempt `n`: one bad frame, with what must come before it.
type Attempt = fn(u32) -> Vec<u8>;

/// Every way in which one client can make work, by name.
const ATTACKS: [(&str, Attempt); 13] = [
    ("rapid reset", |n| [opened(n, 0), frame(RST_STREAM, 0, stream(n), &8_u32.to_be_bytes())].concat()),
    ("made you reset: window raised by nothing", |n| [opened(n, 0), frame(WINDOW_UPDATE, 0, stream(n), &[0; 4])].concat()),
    ("made you reset: window too large", |n| [opened(n, 0), frame(WINDOW_UPDATE, 0, stream(n), &0x7fff_ffff_u32.to_be_bytes())].concat()),
    ("made you reset: priority of a wrong size", |n| [opened(n, 0), frame(PRIORITY, 0, stream(n), &[0; 4])].concat()),
    ("made you reset: priority on itself", |n| {
        let content = [&stream(n).to_be_bytes()[..], &[1]].concat();
        [opened(n, 0), frame(PRIORITY, 0, stream(n), &content)].concat()
    }),
    ("made you reset: headers after the end", |n| [opened(n, END_STREAM), opened(n, END_STREAM)].concat()),
    ("made you reset: data after the end", |n| [opened(n, END_STREAM), frame(DATA, 0, stream(n), &[0; 5])].concat()),
    ("continuation without end", |n| match n {
        0 => frame(HEADERS, 0, 1, &health_check()),
        _ => frame(CONTINUATION, 0, 1, &literal(0, "x", "y")),
    }),
    ("empty data", |n| match n {
        0 => opened(0, 0),
        _ => frame(DATA, 0, 1, &[]),
    }),
    ("pings", |n| frame(PING, 0, 0, &u64::from(n).to_be_bytes())),
    ("settings", |_| frame(SETTINGS, 0, 0, &[])),
    ("headers that unpack to megabytes", |n| {
        let large = "a".repeat(3000);
        let bomb = match n {
            0 => [health_check(), literal(0x40, "x-bomb", &large)].concat(),
            // Index 62: the newest of the dynamic table.
            _ => [health_check(), vec![0x80 | 62; 8000]].concat(),
        };
        frame(HEADERS, END_HEADERS, stream(n), &bomb)
    }),
    ("frames of no known kind", |_| frame(77, 0, 0, &[0; 8])),
];

/// A connection on which nobody reads what comes back faster than this test does.
async fn connection(door: &Door, config: Arc<rustls::ClientConfig>) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(door.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(config).connect(HOST.try_into().unwrap(), stream).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream
}

/// Whether the bytes that came back hold a GOAWAY frame: the goodbye before the end.
fn goodbye(mut bytes: &[u8]) -> bool {
    while let [a, b, c, kind, ..] = bytes {
        if *kind == 7 {
            return true;
        }
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize + 9;
        bytes = bytes.get(length..).unwrap_or_default();
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_only_makes_work_is_closed_within_two_hundred_frames() {
    let (root, folder, clock) = (ca("root"), Folder::new(), Clock::standing());
    let (server, shown) = (changed(&root, |_| ()), changed(&root, |_| ()));
    let door = Door::open(Settings::of(folder.write(&server, &root.pem(), &[]))).await;
    let tls = ClientTls::new(Folder::new().write(&shown, &root.pem(), &[]), Clock::standing()).unwrap();
    let (honest, _) = door.channel(&tls, vec![spki(&server)]);

    for (name, attempt) in ATTACKS {
        let stream = connection(&door, raw_client(&root.pem(), Some(&shown), &[b"h2"], &clock)).await;
        let (mut reader, mut writer) = tokio::io::split(stream);
        let reading = tokio::spawn(async move {
            let mut back = Vec::new();
            let end = reader.read_to_end(&mut back).await;
            (back, end)
        });
        let mut sent = 0;
        for n in 0..BAD {
            if writer.write_all(&attempt(n)).await.is_err() || writer.flush().await.is_err() {
                break;
            }
            sent = n + 1;
        }

        // Not one frame more is sent: what was sent must be enough for the other side to end it.
        let (back, end) = within(reading).await.unwrap();

        println!(
            "{name}: closed, at most {sent} sent, {} bytes back, goodbye {}, {:?}",
            back.len(),
            goodbye(&back),
            end.map_err(|e| e.kind())
        );
        call(&honest).await.unwrap_or_else(|status| panic!("{name}: an honest caller: {status}"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_does_its_work_is_never_closed_for_it() {
    let (root, folder, clock) = (ca("root"), Folder::new(), Clock::standing());
    let (server, shown) = (changed(&root, |_| ()), changed(&root, |_| ()));
    let door = Door::open(Settings::of(folder.write(&server, &root.pem(), &[]))).await;
    let mut stream = connection(&door, raw_client(&root.pem(), Some(&shown), &[b"h2"], &clock)).await;

    // A call, a ping and a change of settings, two hundred times, each answered before the next.
    let body = frame(DATA, END_STREAM, 0, &[0; 5]);
    for n in 0..BAD {
        let mut data = body.clone();
        data[5..9].copy_from_slice(&stream_id(n));
        let bytes = [opened(n, 0), data, frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])].concat();
        stream.write_all(&bytes).await.unwrap();
        answered(&mut stream, n).await;
    }
    assert_eq!(door.entered(), BAD as usize);
}

fn stream_id(n: u32) -> [u8; 4] {
    stream(n).to_be_bytes()
}

/// Reads until the trailers of attempt `n`.
async fn answered(connection: &mut TlsStream<TcpStream>, n: u32) {
    loop {
        let mut head = [0; 9];
        within(connection.read_exact(&mut head)).await.unwrap();
        let [a, b, c, kind, flags, rest @ ..] = head;
        let mut content = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        within(connection.read_exact(&mut content)).await.unwrap();
        if kind == HEADERS && flags & END_STREAM != 0 && rest == stream_id(n) {
            return;
        }
    }
}
