//! The upgrade to WebSocket: more bytes never undo a judgement, nothing of the request gets into the
//! answer or the log but what belongs there, and rules hold.

use trunkline_core::wire::websocket::upgrade::{
    Origin, REQUEST_BYTES_MAX, Refusal, Upgrade, UpgradeRules, upgrade,
};

/// Input: a byte of flags (same origin, allowed origins, compression, cookies, TLS), the request.
pub fn upgrade_request(data: &[u8]) {
    let Some((&flags, request)) = data.split_first() else {
        return;
    };
    let rules = rules(flags);
    let outcome = upgrade(request, &rules);
    check(&outcome, &rules, request);
    if request.len() <= 600 {
        check_prefixes(request, &rules, &outcome);
    }
}

fn rules(flags: u8) -> UpgradeRules {
    let set = |bit: u8, name: &str| if flags & bit == 0 { "" } else { name }.to_owned();
    let origin = Origin::parse("http://localhost").expect("valid");
    UpgradeRules {
        has_tls: flags & 16 != 0,
        same_origin: flags & 1 != 0,
        allowed_origins: if flags & 2 == 0 {
            Vec::new()
        } else {
            vec![origin]
        },
        compression: flags & 4 != 0,
        fields: vec![("X-Server".to_owned(), "t".to_owned())],
        user_cookie: set(8, "u"),
        password_cookie: set(8, "p"),
        token_cookie: set(8, "t"),
    }
}

fn check(outcome: &Result<Option<Upgrade>, Refusal>, rules: &UpgradeRules, request: &[u8]) {
    match outcome {
        Ok(None) => assert!(request.len() < REQUEST_BYTES_MAX, "waits without end"),
        Ok(Some(upgrade)) => {
            let text = std::str::from_utf8(&upgrade.response).expect("the answer is text");
            assert!(text.starts_with("HTTP/1.1 101 ") && text.ends_with("\r\n\r\n"));
            let lines = 5
                + usize::from(upgrade.compresses)
                + usize::from(!upgrade.masks)
                + rules.fields.len();
            assert_eq!(text.matches("\r\n").count(), lines, "{text}");
            assert_eq!(text.matches('\n').count(), lines, "{text}");
            assert!(rules.compression || !upgrade.compresses);
            assert!(upgrade.presented.is_none() || !rules.user_cookie.is_empty());
        }
        Err(refusal) => {
            let text = String::from_utf8_lossy(&refusal.response);
            assert!(text.is_empty() || text.starts_with("HTTP/1.1 "), "{text}");
            assert!(!refusal.reason.contains('\n') && !refusal.reason.contains('\r'));
            let is_secret = |line: &[u8]| line.to_ascii_lowercase().starts_with(b"cookie:");
            let mut open = request
                .split(|&byte| byte == b'\n')
                .filter(|line| !is_secret(line));
            let is_elsewhere = open.any(|line| String::from_utf8_lossy(line).contains("s3cret"));
            let told = format!("{text}{}", refusal.reason).contains("s3cret");
            assert!(is_elsewhere || !told, "a cookie is told");
        }
    }
}

/// The first prefix that is judged decides: bytes behind it cannot make it better.
fn check_prefixes(request: &[u8], rules: &UpgradeRules, whole: &Result<Option<Upgrade>, Refusal>) {
    let mut judged = (0..=request.len())
        .map(|len| (len, upgrade(&request[..len], rules)))
        .filter(|(_, outcome)| *outcome != Ok(None));
    let Some((len, first)) = judged.next() else {
        return assert_eq!(*whole, Ok(None));
    };
    if len == request.len() {
        return assert_eq!(first, *whole);
    }
    match first {
        Ok(_) => {
            let refusal = whole.as_ref().expect_err("bytes behind the request");
            assert!(refusal.response.is_empty());
        }
        Err(_) => assert!(whole.is_err(), "more bytes undo a refusal"),
    }
}
