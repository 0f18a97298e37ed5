//! No session is ever resumed: not with a ticket of ours (there is none), not with one from before a revocation that another server of
//! the same name and key gave, and no early data is read.

use std::io::{Read, Write};
use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::frames::PREFACE;
use super::kit::{Clock, Door, Folder, HOST, PATIENCE, Settings, ca, chain, changed, key, list, raw_client, within};

/// Tries with a ticket.
const TRIES: usize = 100;

/// One connection: how the handshake went, and whether early data was taken; none when the door refused.
async fn attempt(address: std::net::SocketAddr, client: &Arc<ClientConfig>) -> Option<(HandshakeKind, bool)> {
    let client = Arc::clone(client);
    let connection = tokio::task::spawn_blocking(move || {
        let mut session = ClientConnection::new(client, HOST.try_into().unwrap()).unwrap();
        if let Some(mut early) = session.early_data() {
            early.write_all(PREFACE).unwrap();
        }
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stream = rustls::Stream::new(&mut session, &mut socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(stream.sock).ok()?;
        }
        if !stream.conn.is_early_data_accepted() {
            stream.write_all(PREFACE).ok()?;
        }
        // Only the first read tells whether one was let in.
        stream.read_exact(&mut [0; 9]).ok()?;
        Some((session.handshake_kind().unwrap(), session.is_early_data_accepted()))
    });
    within(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_ticket_from_before_a_revocation_opens_anything_after_it() {
    let (root, folder, clock) = (ca("root"), Folder::new(), Clock::standing());
    let (server, shown) = (changed(&root, |_| ()), changed(&root, |_| ()));
    let client = raw_client(&root.pem(), Some(&shown), &[b"h2"], &clock);
    // The control: a server with the same certificate that does resume, and takes early data.
    let lenient = lenient(&root.pem(), &server).await;
    let mut kinds = Vec::new();
    for _ in 0..3 {
        kinds.push(attempt(lenient, &client).await.unwrap());
    }
    assert_eq!(kinds[0], (HandshakeKind::Full, false));
    assert!(kinds[1..].contains(&(HandshakeKind::Resumed, true)), "the client is able and willing: {kinds:?}");

    let door = Door::open(Settings::of(folder.write(&server, &root.pem(), &[list(&root, &[])]))).await;
    for number in 0..TRIES / 2 {
        // A fresh ticket each time, for the very name and key this door has.
        assert!(attempt(lenient, &client).await.is_some());
        assert_eq!(attempt(door.address, &client).await, Some((HandshakeKind::Full, false)), "try {number}");
    }
    folder.put("0.crl", list(&root, &[&shown.chain_pem]).as_bytes());
    door.tls.reload(folder.read(&["0.crl"]).unwrap()).unwrap();
    for number in TRIES / 2..TRIES {
        assert!(attempt(lenient, &client).await.is_some());
        assert_eq!(attempt(door.address, &client).await, None, "try {number} after the revocation");
    }
    assert_eq!(door.entered(), 0);
}

async fn lenient(trust: &str, server: &schakel_certs::issue::Issued) -> std::net::SocketAddr {
    use rustls::pki_types::pem::PemObject;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(trust.as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let mut config = ServerConfig::builder_with_details(provider, Clock::standing())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain(server), key(server))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.max_early_data_size = 1024;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                stream.write_all(&[0; 9]).await?;
                stream.read_to_end(&mut Vec::new()).await
            });
        }
    });
    address
}
