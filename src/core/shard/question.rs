//! What a request to the server asks for, by its subject (NATS 2.15).

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// Who the asker is.
    UserInfo,
    /// The same, asked where nobody is the asker.
    NobodyInfo,
    /// A page about the server, by its name in capitals.
    Page(&'a str),
    /// A page about the asker's account.
    OwnAccountPage(&'a str),
    /// A page about an account.
    AccountPage {
        /// Its name.
        account: &'a str,
        /// The page's name in capitals.
        page: &'a str,
    },
    /// A page about all accounts.
    AccountsPage(&'a str),
    /// Something to be done.
    Command(&'a str),
    /// How many subscribe to a subject of an account.
    AccountSubscribers,
    /// How many subscribe to a subject of the asker's account.
    Subscribers,
}

/// Pages about the server.
const PAGES: &[&str] = &[
    "IDZ",
    "STATSZ",
    "VARZ",
    "SUBSZ",
    "CONNZ",
    "ROUTEZ",
    "GATEWAYZ",
    "LEAFZ",
    "ACCOUNTZ",
    "JSZ",
    "HEALTHZ",
    "PROFILEZ",
    "EXPVARZ",
    "IPQUEUESZ",
    "RAFTZ",
];

/// Pages about an account.
const ACCOUNT_PAGES: &[&str] = &["SUBSZ", "CONNZ", "LEAFZ", "JSZ", "INFO", "STATZ", "CONNS"];

/// Things to be done.
const COMMANDS: &[&str] = &["RELOAD", "KICK", "LDM"];

impl<'a> Question<'a> {
    /// What a subject asks for in the system account or in another one; `None`:
    /// nothing of this server.
    #[must_use]
    pub fn of(subject: &'a str, server_id: &str, is_system: bool) -> Option<Self> {
        let mut tokens = [""; 6];
        let mut count = 0;
        for token in subject.split('.') {
            *tokens.get_mut(count)? = token;
            count += 1;
        }
        match (&tokens[..count], is_system) {
            (["$SYS", "REQ", "USER", "INFO"], _) => Some(Self::UserInfo),
            (["$SYS", "REQ", "SERVER" | "ACCOUNT", "PING", "CONNZ"], false) => {
                Some(Self::OwnAccountPage("CONNZ"))
            }
            (["$SYS", "REQ", "ACCOUNT", "PING", "STATZ"], false) => {
                Some(Self::OwnAccountPage("STATZ"))
            }
            (_, false) => None,
            (["$SYS", "REQ", "USER", _, "INFO"], true) => Some(Self::NobodyInfo),
            (["$SYS", "REQ", "SERVER", "PING"], true) => Some(Self::Page("STATSZ")),
            (["$SYS", "REQ", "SERVER", server, page], true) => {
                let is_own = *server == server_id;
                if PAGES.contains(page) && (is_own || *server == "PING") {
                    Some(Self::Page(page))
                } else {
                    (is_own && COMMANDS.contains(page)).then_some(Self::Command(page))
                }
            }
            (["$SYS", "REQ", "ACCOUNT", "NSUBS"], true) => Some(Self::AccountSubscribers),
            (["$SYS", "REQ", "ACCOUNT", "PING", "STATZ"], true) => {
                Some(Self::AccountsPage("STATZ"))
            }
            (["$SYS", "REQ", "ACCOUNT", account, page], true) => ACCOUNT_PAGES
                .contains(page)
                .then_some(Self::AccountPage { account, page }),
            (["$SYS", "DEBUG", "SUBSCRIBERS"], true) => Some(Self::Subscribers),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_say_what_is_asked() {
        let info = Question::AccountPage {
            account: "A",
            page: "INFO",
        };
        for (subject, in_system, elsewhere) in [
            (
                "USER.INFO",
                Some(Question::UserInfo),
                Some(Question::UserInfo),
            ),
            ("USER.A.INFO", Some(Question::NobodyInfo), None),
            ("SERVER.PING", Some(Question::Page("STATSZ")), None),
            ("SERVER.NA.VARZ", Some(Question::Page("VARZ")), None),
            ("SERVER.PING.VARZ", Some(Question::Page("VARZ")), None),
            ("SERVER.NB.VARZ", None, None),
            ("SERVER.NA.NOPE", None, None),
            ("SERVER.NA.KICK", Some(Question::Command("KICK")), None),
            ("SERVER.PING.KICK", None, None),
            (
                "SERVER.PING.CONNZ",
                Some(Question::Page("CONNZ")),
                Some(Question::OwnAccountPage("CONNZ")),
            ),
            ("ACCOUNT.A.INFO", Some(info), None),
            ("ACCOUNT.A.NOPE", None, None),
            (
                "ACCOUNT.PING.STATZ",
                Some(Question::AccountsPage("STATZ")),
                Some(Question::OwnAccountPage("STATZ")),
            ),
            ("ACCOUNT.NSUBS", Some(Question::AccountSubscribers), None),
            ("SERVER.NA.VARZ.x.y", None, None),
            ("", None, None),
        ] {
            let subject = format!("$SYS.REQ.{subject}");
            assert_eq!(Question::of(&subject, "NA", true), in_system, "{subject}");
            assert_eq!(Question::of(&subject, "NA", false), elsewhere, "{subject}");
        }
        let subscribers = Some(Question::Subscribers);
        assert_eq!(
            Question::of("$SYS.DEBUG.SUBSCRIBERS", "NA", true),
            subscribers
        );
        assert_eq!(Question::of("orders", "NA", true), None);
    }
}
