//! Certificates for tests, made anew by each.
#![allow(dead_code, reason = "not every suite needs everything")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType, SigningKey,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;

/// What the authority of a test is called.
const AUTHORITY: &str = "Authority of a test";

/// What an authority of a name is described by.
pub fn authority_params(name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(constraints);
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

/// A value in DER.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let len = u16::try_from(value.len()).unwrap().to_be_bytes();
    let len = match len {
        [0, len @ 0..0x80] => vec![len],
        [0, len] => vec![0x81, len],
        [high, low] => vec![0x82, high, low],
    };
    [&[tag][..], &len, &value].concat()
}

/// Certificates of one test, in files.
pub struct Authority {
    place: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new(test: &str) -> Self {
        // OpenSSL takes a certificate for self-signed that names its issuer as its subject.
        Self::named(test, AUTHORITY)
    }

    /// An authority of another name.
    pub fn named(test: &str, name: &str) -> Self {
        let place = std::env::temp_dir().join(format!("tls-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let params = authority_params(name, BasicConstraints::Unconstrained);
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

    /// Issues the usual one, changed in some way.
    pub fn issue_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        self.issue_as(name, params);
    }

    /// Issues what has nobody's signature but its own, or replaces the authorities by it.
    pub fn self_issue(&self, name: &str, params: CertificateParams) {
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        std::fs::write(self.file(&format!("{name}.pem")), certificate.pem()).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Issues an authority below this one and so on, and a certificate by the last of them.
    pub fn issue_below(&self, name: &str, intermediates: &[CertificateParams]) {
        let mut chain = Vec::new();
        let mut last: Option<CertifiedIssuer<'static, KeyPair>> = None;
        for params in intermediates {
            let (params, key) = (params.clone(), KeyPair::generate().unwrap());
            let next = match &last {
                Some(last) => CertifiedIssuer::signed_by(params, key, last),
                None => CertifiedIssuer::signed_by(params, key, &self.issuer),
            };
            let next = next.unwrap();
            chain.insert(0, next.pem());
            last = Some(next);
        }
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let own = params.signed_by(&key, last.as_ref().unwrap()).unwrap();
        let pem = own.pem() + &chain.concat();
        std::fs::write(self.file(&format!("{name}.pem")), pem).unwrap();
        std::fs::write(self.file(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }

    /// Issues a certificate of the first version of X.509, as OpenSSL does unless it is told of
    /// extensions.
    pub fn issue_v1(&self, name: &str) {
        let key = KeyPair::generate().unwrap();
        let algorithm = tlv(0x30, &[&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
        let called = |name: &str| {
            let name = tlv(0x0c, &[name.as_bytes()]);
            let attribute = tlv(0x30, &[&[6, 3, 0x55, 4, 3], &name]);
            tlv(0x30, &[&tlv(0x31, &[&attribute])])
        };
        let times = [b"200101000000Z", b"490101000000Z"].map(|time| tlv(0x17, &[time]));
        let signed = tlv(
            0x30,
            &[
                &tlv(2, &[&[1]]),
                &algorithm,
                &called(AUTHORITY),
                &tlv(0x30, &[&times.concat()]),
                &called(name),
                &key.subject_public_key_info(),
            ],
        );
        let signature = self.issuer.key().sign(&signed).unwrap();
        let certificate = tlv(0x30, &[&signed, &algorithm, &tlv(3, &[&[0], &signature])]);
        let text = STANDARD.encode(certificate);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        std::fs::write(self.file(&format!("{name}.pem")), pem).unwrap();
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
