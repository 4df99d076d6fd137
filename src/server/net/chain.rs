//! From a client's certificate to an authority, as Go's `crypto/x509` goes (NATS 2.15): the same
//! certificates lead to the same outcome. webpki asks for more: it takes no X.509 v1, no authority
//! and nobody's own authority as a client, and no long chains.
//!
//! Names that an authority may give are left to webpki, which such a chain has to please as well.
//!
//! Bounds: at most [`SIGNATURE_CHECKS_MAX`] signatures are checked per client; there are no more
//! certificates than a handshake message holds (64 KiB).

use std::collections::HashMap;

use rustls::crypto::WebPkiSupportedAlgorithms;

use super::chain_certificate::ChainCertificate;
use super::chain_fault::Fault;

/// How many signatures are checked before a chain is given up, as in Go.
const SIGNATURE_CHECKS_MAX: usize = 100;

/// The authorities of a file.
#[derive(Debug, Default)]
pub struct Authorities {
    all: Vec<ChainCertificate>,
    by_subject: HashMap<Vec<u8>, Vec<usize>>,
}

impl Authorities {
    /// Adds one.
    pub fn add(&mut self, authority: ChainCertificate) {
        let same_name = self.by_subject.entry(authority.subject.clone());
        same_name.or_default().push(self.all.len());
        self.all.push(authority);
    }

    /// All of them.
    pub fn all(&self) -> &[ChainCertificate] {
        &self.all
    }

    /// Those that may have issued a certificate.
    fn issuers_of(
        &self,
        certificate: &ChainCertificate,
    ) -> impl Iterator<Item = &ChainCertificate> {
        let places = self.by_subject.get(&certificate.issuer);
        let places = places.into_iter().flatten();
        places.filter_map(|place| self.all.get(*place))
    }

    fn contain(&self, certificate: &ChainCertificate) -> bool {
        let places = self.by_subject.get(&certificate.subject);
        let mut places = places.into_iter().flatten();
        places.any(|place| {
            self.all
                .get(*place)
                .is_some_and(|own| own.der == certificate.der)
        })
    }
}

/// A search for an authority.
pub struct Search<'a> {
    authorities: &'a Authorities,
    intermediates: &'a [ChainCertificate],
    algorithms: &'a WebPkiSupportedAlgorithms,
    now: i64,
    checks_left: usize,
}

/// A chain that leads to an authority.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Chain {
    /// The client is who it says.
    Complete,
    /// It is if an authority may give it its names.
    UnlessNamesAreBarred,
}

impl<'a> Search<'a> {
    /// One at this time, in seconds since 1970.
    pub fn new(
        authorities: &'a Authorities,
        intermediates: &'a [ChainCertificate],
        algorithms: &'a WebPkiSupportedAlgorithms,
        now: i64,
    ) -> Self {
        Self {
            authorities,
            intermediates,
            algorithms,
            now,
            checks_left: SIGNATURE_CHECKS_MAX,
        }
    }

    /// Finds a chain from the certificate of a client.
    pub fn run(mut self, client: &'a ChainCertificate) -> Result<Chain, Fault> {
        client.check_itself(self.now)?;
        match self.authorities.contain(client) {
            true => judge(&[client]),
            false => self.extend(&mut vec![client]),
        }
    }

    /// Goes on from the last certificate of a chain to those that may have issued it.
    fn extend(&mut self, chain: &mut Vec<&'a ChainCertificate>) -> Result<Chain, Fault> {
        let Some(&last) = chain.last() else {
            return Err(Fault::UnknownAuthority(None));
        };
        let mut hint = None;
        let mut failure = None;
        for (is_root, issuer) in self.issuers_of(last) {
            if chain.iter().any(|other| is_same(other, issuer)) {
                continue;
            }
            self.checks_left = match self.checks_left.checked_sub(1) {
                Some(left) => left,
                None => return Err(Fault::TooMuchWork),
            };
            let below = chain.len() - 1;
            if let Err(fault) = last.check_signature(issuer, self.algorithms) {
                hint.get_or_insert_with(|| (Box::new(fault), issuer.name.clone()));
                continue;
            }
            chain.push(issuer);
            let outcome = match issuer.check_as_issuer(is_root, below, self.now) {
                Err(fault) => Err(fault),
                Ok(()) if is_root => judge(chain),
                Ok(()) => self.extend(chain),
            };
            chain.pop();
            match outcome {
                Ok(_) | Err(Fault::TooMuchWork) => return outcome,
                // That there is a chain, though for something else, says more.
                Err(_) if matches!(failure, Some(Fault::IncompatibleUsage)) => {}
                Err(fault) => failure = Some(fault),
            }
        }
        Err(failure.unwrap_or(Fault::UnknownAuthority(hint)))
    }

    /// Authorities first, and those first whose key is the one that has signed.
    fn issuers_of(&self, certificate: &ChainCertificate) -> Vec<(bool, &'a ChainCertificate)> {
        let rank = |issuer: &ChainCertificate| match (&issuer.key_id, &certificate.issuer_key_id) {
            (own, named) if own == named => 0,
            (Some(_), Some(_)) => 2,
            _ => 1,
        };
        let roots = self.authorities.issuers_of(certificate);
        let others = self.intermediates.iter();
        let others = others.filter(|issuer| issuer.subject == certificate.issuer);
        let mut all: Vec<_> = roots.map(|root| (true, root)).collect();
        all.extend(others.map(|other| (false, other)));
        all.sort_by_key(|(is_root, issuer)| (!is_root, rank(issuer)));
        all
    }
}

/// What a whole chain says.
fn judge(chain: &[&ChainCertificate]) -> Result<Chain, Fault> {
    if !chain.iter().all(|certificate| certificate.allows_clients) {
        return Err(Fault::IncompatibleUsage);
    }
    let mut issuers = chain.iter().skip(1);
    Ok(match issuers.any(|issuer| issuer.has_name_constraints) {
        true => Chain::UnlessNamesAreBarred,
        false => Chain::Complete,
    })
}

/// Whether two certificates are of one name and key: one that leads to the other leads nowhere.
fn is_same(one: &ChainCertificate, other: &ChainCertificate) -> bool {
    one.subject == other.subject && one.key_info == other.key_info
}
