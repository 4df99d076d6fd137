//! A folder for one comparison, with a certificate authority and a server's certificate made for it.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// The folder; it goes away with this.
pub struct Stage {
    folder: PathBuf,
}

impl Stage {
    /// Makes the folder and what is in it.
    pub fn new() -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!(
            "loadgen-{}-{:x}",
            std::process::id(),
            crate::clock::now_ns()
        ));
        fs::create_dir_all(&folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let stage = Stage { folder };
        let [authority, certificate, key] =
            certificates().map_err(|error| format!("cannot make a certificate: {error}"))?;
        stage.write("ca.pem", &authority)?;
        stage.write("server.pem", &certificate)?;
        stage.write("server-key.pem", &key)?;
        Ok(stage)
    }

    /// Where `name` is in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes a file, so that a reader sees all of it or the file before.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let (path, fresh) = (self.path(name), self.path(&format!("{name}.new")));
        fs::write(&fresh, text)
            .and_then(|()| fs::rename(&fresh, &path))
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Authority, certificate and key, as PEM. ECDSA on P-256, as most servers have.
fn certificates() -> Result<[String; 3], rcgen::Error> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority
        .distinguished_name
        .push(rcgen::DnType::CommonName, "loadgen");
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let names = vec!["127.0.0.1".to_string(), "localhost".to_string()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
    Ok([authority.pem(), certificate.pem(), key.serialize_pem()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tls::{TlsOptions, TlsSettings};

    #[test]
    fn the_authority_can_be_trusted_and_the_folder_goes_away() {
        let stage = Stage::new().unwrap();
        let ca = stage.path("ca.pem");
        let options = TlsOptions {
            ca: Some(&ca),
            ..TlsOptions::default()
        };
        TlsSettings::new(&options, "127.0.0.1").unwrap();
        assert_eq!(
            fs::read_to_string(stage.write("a", "b").unwrap()).unwrap(),
            "b"
        );
        drop(stage);
        assert!(!ca.exists());
    }
}
