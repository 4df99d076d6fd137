//! Certificates for tests, made anew by each.
#![allow(dead_code, reason = "not every suite needs everything")]

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;

/// Certificates of one test, in files.
pub struct Authority {
    place: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(test: &str) -> Self {
        let place = std::env::temp_dir().join(format!("tls-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate for self-signed that names its issuer as its subject.
        let name = "Authority of a test";
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { place, issuer };
        std::fs::write(authority.file("ca.pem"), authority.issuer.pem()).unwrap();
        authority.issue("server");
        authority.issue("client");
        authority
    }

    pub fn file(&self, name: &str) -> String {
        self.place.join(name).to_str().unwrap().to_owned()
    }

    /// Issues a certificate for localhost and an address at example.com.
    pub fn issue(&self, name: &str) {
        self.issue_for(name, "localhost");
    }

    /// The same for another host.
    pub fn issue_for(&self, name: &str, host: &str) {
        let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let email = format!("{name}@example.com").try_into().unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name(email));
        params.use_authority_key_identifier_extension = true;
        self.issue_as(name, params);
    }

    /// Issues what is described.
    pub fn issue_as(&self, name: &str, params: CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// What `pinned_certs` calls the public key of a name.
    pub fn pin(&self, name: &str) -> String {
        let key = std::fs::read_to_string(self.file(&format!("{name}.key"))).unwrap();
        let key = KeyPair::from_pem(&key).unwrap().subject_public_key_info();
        let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
        let hash = suite.tls13().unwrap().common.hash_provider.hash(&key);
        let bytes = hash.as_ref().iter();
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }

    pub fn config(&self, more: &str) -> String {
        format!(
            "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?} {more} }}",
            self.file("server.pem"),
            self.file("server.key"),
            self.file("ca.pem")
        )
    }

    /// A client that speaks only what this provider does.
    pub fn client_with(&self, provider: CryptoProvider) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.file("ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let has_tls13 = provider
            .cipher_suites
            .iter()
            .any(|suite| suite.tls13().is_some());
        let versions: &[&rustls::SupportedProtocolVersion] = match has_tls13 {
            true => &[&rustls::version::TLS13],
            false => &[&rustls::version::TLS12],
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }

    pub fn client(&self, identity: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(self.file("ca.pem")).unwrap();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = CertificateDer::from_pem_file(self.file(&format!("{name}.pem")));
                let key = PrivateKeyDer::from_pem_file(self.file(&format!("{name}.key")));
                let chain = vec![chain.unwrap()];
                builder.with_client_auth_cert(chain, key.unwrap()).unwrap()
            }
        };
        Arc::new(config)
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _may_be_gone = std::fs::remove_dir_all(&self.place);
    }
}
