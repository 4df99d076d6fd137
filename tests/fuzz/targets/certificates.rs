//! Certificates of clients: whatever somebody shows before anything is known of him is judged, not
//! stumbled over.

/// When the certificates of the corpus are valid.
const WITHIN: u64 = 1_800_000_000;

/// Input: the certificate of a client, intermediate ones and an authority, in DER, one after the other.
pub fn certificates(data: &[u8]) {
    let is_accepted = trunkline::judge_certificates(data, WITHIN);
    assert_eq!(
        is_accepted,
        trunkline::judge_certificates(data, WITHIN),
        "the same chain, the same verdict"
    );
    assert!(
        !trunkline::judge_certificates(data, 0),
        "nothing is valid in 1970"
    );
}
