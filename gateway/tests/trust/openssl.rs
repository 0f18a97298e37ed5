//! OpenSSL, which nobody of us wrote: keys, certificates and lists that our own library refuses to make, and a client and a server that
//! speak what it refuses to speak.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use schakel_certs::issue::Issued;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::kit::{Folder, us, within};

/// A folder in which OpenSSL is a CA.
pub(crate) struct OpenSsl {
    folder: Folder,
}

impl OpenSsl {
    pub(crate) fn new() -> Self {
        let folder = Folder::new();
        let names = format!(
            "subjectAltName=URI:urn:schakel:organization:{},IP:127.0.0.1\nextendedKeyUsage=clientAuth,serverAuth\nkeyUsage=digitalSignature\n",
            us()
        );
        folder.put("names.cnf", names.as_bytes());
        // The list with the shape of RUSTSEC-2026-0104: an empty BIT STRING as onlySomeReasons of the distribution point.
        let ca = "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=1\n\
                  [shape]\nissuingDistributionPoint=critical,DER:3003830100\n[plain]\nauthorityKeyIdentifier=keyid\n";
        folder.put("ca.cnf", ca.as_bytes());
        folder.put("index.txt", b"");
        folder.put("crlnumber", b"01\n");
        let made = Self { folder };
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key"];
        made.run(&[&["req", "-x509", "-days", "2", "-subj", "/CN=openssl", "-out", "ca.crt"], &key[..]].concat());
        made
    }

    /// The CA's certificate.
    pub(crate) fn ca(&self) -> String {
        self.text("ca.crt")
    }

    /// Issues a certificate: RSA-1024, SHA-1, whatever is asked.
    pub(crate) fn leaf(&self, name: &str, key: &[&str], digest: &str) -> Issued {
        let file = |end: &str| format!("{name}.{end}");
        let (key_file, csr, certificate) = (file("key"), file("csr"), file("crt"));
        self.run(&[&["genpkey", "-out", &key_file], key].concat());
        self.run(&["req", "-new", "-subj", "/", "-key", &key_file, "-out", &csr]);
        let sign = ["x509", "-req", "-days", "2", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names.cnf"];
        self.run(&[&sign[..], &[digest, "-in", &csr, "-out", &certificate]].concat());
        self.issued(name)
    }

    /// A list of this CA: `shape` is that of the advisory, `plain` a good one.
    pub(crate) fn list(&self, kind: &str, revoked: &[&str]) -> String {
        let config = ["-config", "ca.cnf", "-keyfile", "ca.key", "-cert", "ca.crt"];
        for name in revoked {
            self.run(&[&["ca", "-revoke", &format!("{name}.crt")], &config[..]].concat());
        }
        self.run(&[&["ca", "-gencrl", "-crlexts", kind, "-out", "made.crl"], &config[..]].concat());
        self.text("made.crl")
    }

    /// Connects, says nothing, and returns all that the tool printed.
    pub(crate) async fn connect(&self, address: SocketAddr, shown: Option<&str>, more: &[&str]) -> String {
        let mut command = Command::new("openssl");
        command.current_dir(self.path("")).args(["s_client", "-connect", &address.to_string(), "-cipher", "DEFAULT@SECLEVEL=0"]);
        if let Some(name) = shown {
            command.args(["-cert", &format!("{name}.crt"), "-cert_chain", &format!("{name}.crt"), "-key", &format!("{name}.key")]);
        }
        // Without input it would say goodbye before the answer to its certificate is there.
        let output = within(command.args(more).args(["-ign_eof"]).stdin(Stdio::null()).kill_on_drop(true).output()).await;
        let output = output.expect("openssl must be installed");
        [output.stdout, output.stderr].iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
    }

    /// A server that shows this certificate.
    pub(crate) async fn serve(&self, shown: &str, more: &[&str]) -> (Child, SocketAddr) {
        let (certificate, key) = (format!("{shown}.crt"), format!("{shown}.key"));
        let mut child = Command::new("openssl")
            .current_dir(self.path(""))
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", &certificate, "-key", &key, "-cipher", "DEFAULT@SECLEVEL=0"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("openssl must be installed");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = within(async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the server must say where it listens");
                if let Some(address) = line.strip_prefix("ACCEPT ") {
                    return address.parse().unwrap();
                }
            }
        })
        .await;
        // Whatever else it prints is thrown away, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        (child, address)
    }

    fn issued(&self, name: &str) -> Issued {
        Issued { chain_pem: self.text(&format!("{name}.crt")), key_pem: self.text(&format!("{name}.key")).into() }
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    fn run(&self, args: &[&str]) {
        let output = std::process::Command::new("openssl").current_dir(Path::new(&self.path(""))).args(args).output();
        let output = output.expect("openssl must be installed");
        assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
