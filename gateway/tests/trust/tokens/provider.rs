//! An identity provider: keys of every kind, tokens that say anything, and a small web server that publishes the keys or does what it likes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _,
    RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use rustls::ServerConfig;
use schakel_certs::issue::DevCa;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::kit::{chain, key};

pub(crate) const PERSON: &str = "skj:190012345";

/// One signing key.
pub(crate) struct Signer {
    pub(crate) issuer: String,
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    key: EncodingKey,
    pub(crate) jwk: Value,
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn ec(algorithm: &'static EcdsaSigningAlgorithm, curve: &str) -> (EncodingKey, Value) {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let point = pair.public_key().as_ref().to_vec();
    let (x, y) = point[1..].split_at((point.len() - 1) / 2);
    let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    (key, json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)}))
}

fn rsa() -> (EncodingKey, Value) {
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = pair.public_key();
    let (n, e) =
        (public.modulus().big_endian_without_leading_zero().to_vec(), public.exponent().big_endian_without_leading_zero().to_vec());
    // PKCS #8 wraps the RSAPrivateKey that the library wants: it ends the document.
    let pkcs8: aws_lc_rs::encoding::Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let (key, bytes) = (pkcs8.as_ref(), pkcs8.as_ref().len());
    let inner = key
        .windows(2)
        .enumerate()
        .skip(1)
        .find(|(at, window)| *window == [0x30, 0x82] && *at > 4 && bytes - at == len(&key[*at..]))
        .unwrap()
        .0;
    (EncodingKey::from_rsa_der(&key[inner..]), json!({"kty": "RSA", "n": encode(n), "e": encode(e)}))
}

fn len(der: &[u8]) -> usize {
    4 + usize::from(der[2]) * 256 + usize::from(der[3])
}

impl Signer {
    pub(crate) fn new(issuer: &str, kid: &str, algorithm: Algorithm) -> Self {
        let (key, mut jwk) = match algorithm {
            Algorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            Algorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::generate().unwrap();
                let key = EncodingKey::from_ed_der(pair.to_pkcs8v1().unwrap().as_ref());
                (key, json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key())}))
            }
            _ => rsa(),
        };
        jwk["kid"] = json!(kid);
        jwk["alg"] = json!(format!("{algorithm:?}"));
        jwk["use"] = json!("sig");
        Self { issuer: issuer.to_owned(), kid: kid.to_owned(), algorithm, key, jwk }
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": format!("{:?}", self.algorithm), "typ": "at+jwt", "kid": self.kid})
    }

    pub(crate) fn claims(&self) -> Value {
        let now = Timestamp::now().as_second();
        json!({"iss": self.issuer, "aud": "schakel", "sub": PERSON, "iat": now, "exp": now + 600, "roles": ["worker"], "name": "K. de Wit"})
    }

    /// A good token.
    pub(crate) fn token(&self) -> String {
        self.sign(&self.header(), &self.claims())
    }

    /// A token with something changed in its claims.
    pub(crate) fn claiming(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims();
        change(&mut claims);
        self.sign(&self.header(), &claims)
    }

    /// A token with something changed in its header.
    pub(crate) fn heading(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut header = self.header();
        change(&mut header);
        self.sign(&header, &self.claims())
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A token of exactly this, signed with this key whatever its header says.
    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let input = format!("{}.{}", encode(header), encode(claims));
        let signature = crypto::sign(input.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{input}.{signature}")
    }
}

pub(crate) fn set(keys: &[&Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// What the web server answers.
#[derive(Clone)]
pub(crate) enum Answer {
    /// 200 and this.
    Text(String),
    /// These bytes, as they are.
    Bytes(Vec<u8>),
    /// Nothing, ever.
    Silence,
    /// It closes the connection.
    Gone,
}

/// The web server; it ends when dropped.
pub(crate) struct Publisher {
    pub(crate) address: SocketAddr,
    pub(crate) ca: PathBuf,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Publisher {
    /// With TLS under a CA of its own, written to this folder; or in the clear.
    pub(crate) async fn start(folder: &Path, tls: bool, first: Answer) -> Self {
        let ca = DevCa::new("CA of the identity provider", Timestamp::now()).unwrap();
        let issued =
            ca.gateway(&"ura:90000999".parse().unwrap(), &["localhost".to_owned(), "127.0.0.1".to_owned()], Timestamp::now()).unwrap();
        let path = folder.join("login-ca.crt");
        std::fs::write(&path, ca.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain(&issued), key(&issued))
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = tls.then(|| TlsAcceptor::from(Arc::new(config)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (answer, asked) = (Arc::new(Mutex::new(first)), Arc::new(AtomicUsize::new(0)));
        let task = {
            let (answer, asked) = (Arc::clone(&answer), Arc::clone(&asked));
            tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let answer = answer.lock().unwrap().clone();
                    asked.fetch_add(1, Ordering::SeqCst);
                    let acceptor = acceptor.clone();
                    tokio::spawn(async move {
                        match acceptor {
                            None => serve(stream, answer).await,
                            Some(acceptor) if !matches!(answer, Answer::Gone) => {
                                let Ok(stream) = acceptor.accept(stream).await else { return };
                                serve(stream, answer).await;
                            }
                            Some(_) => {}
                        }
                    });
                }
            })
            .abort_handle()
        };
        Self { address, ca: path, answer, asked, task }
    }

    pub(crate) fn says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Connections so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin, answer: Answer) {
    let mut request = vec![0; 4096];
    let mut read = 0;
    while !request[..read].windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut request[read..]).await {
            Ok(0) | Err(_) => return,
            Ok(more) => read += more,
        }
    }
    let bytes = match answer {
        Answer::Text(text) => {
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}", text.len()).into_bytes()
        }
        Answer::Bytes(bytes) => bytes,
        Answer::Silence => return std::future::pending().await,
        Answer::Gone => return,
    };
    // Whoever hangs up in the middle has seen enough.
    let _hung_up = stream.write_all(&bytes).await;
    let _closed = stream.shutdown().await;
}
