//! Who may connect and what they may do: the accounts, users and rights of a
//! configuration, in the form in which the shards use them.
//!
//! A [`Policy`] is immutable and shared by all cores; a reload replaces it as a
//! whole. Subjects in it are valid patterns already. Secrets never show in
//! `Debug`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::base::id::AccountId;

/// Everything that decides who may do what.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The accounts by the place of their [`AccountId`]: first `$G`, then the
    /// system account.
    pub accounts: Vec<Account>,
    /// The highest generation of these accounts.
    pub generation: u32,
    /// All users of all accounts.
    pub users: Vec<User>,
    /// The one token (`authorization.token`), plain or bcrypt.
    pub token: Option<Secret>,
    /// Who knows the token may only come through a trusted proxy.
    pub token_requires_proxy: bool,
    /// The only user is that of `authorization.user`, not one of a list.
    pub has_single_user: bool,
    /// The user of clients that bring no credentials, as index into `users`.
    pub no_auth_user: Option<usize>,
    /// The same for clients of the WebSocket listener.
    pub websocket_no_auth_user: Option<usize>,
    /// What WebSocket clients have to present instead (`websocket.authorization`).
    pub websocket_override: Option<ListenerCredentials>,
    /// Certificates of clients name their users (`verify_and_map`).
    pub maps_certificates: bool,
    /// The same for clients of the WebSocket listener.
    pub websocket_maps_certificates: bool,
}

/// One account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name, `$G` or as configured.
    pub name: Arc<str>,
    /// What its connections may use together.
    pub limits: AccountLimits,
    /// What it may store where the server stores anything; `None`: nothing.
    pub jetstream: Option<JetStreamAccountLimits>,
    /// Subjects that become others when a client publishes to them.
    pub mappings: Vec<Mapping>,
    /// What its connections use together, over all cores and reloads.
    pub usage: Arc<AccountUsage>,
    /// The generation of its [`AccountId`].
    pub generation: u32,
    /// The configuration does not have it any more: it keeps its place and its
    /// name for a while, for what still speaks of it (see `succession`).
    pub is_gone: bool,
}

/// Limits of an account; `None`: no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccountLimits {
    /// Client connections.
    pub connections_max: Option<u32>,
    /// Subscriptions of each of its connections, as in NATS 2.15.
    pub subscriptions_max: Option<u32>,
    /// Payload in bytes.
    pub payload_max: Option<u32>,
    /// Leaf nodes.
    pub leaf_nodes_max: Option<u32>,
}

/// What an account may store, as configured and as clients are told of it: -1, or less,
/// means no limit. Beyond a limit, requests are refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JetStreamAccountLimits {
    /// Bytes of streams in memory.
    pub max_memory: i64,
    /// Bytes of streams on disk.
    pub max_storage: i64,
    /// Streams; 0 means no limit either.
    pub max_streams: i64,
    /// Consumers of each stream; 0 means no limit either.
    pub max_consumers: i64,
    /// Messages that a consumer may leave unacknowledged; 0 means no limit either.
    pub max_ack_pending: i64,
    /// Bytes of one stream in memory; 0 means no limit either.
    pub memory_max_stream_bytes: i64,
    /// Bytes of one stream on disk; 0 means no limit either.
    pub storage_max_stream_bytes: i64,
    /// Every stream has to say how many bytes it may have.
    pub is_max_bytes_required: bool,
}

impl Default for JetStreamAccountLimits {
    fn default() -> Self {
        Self {
            max_memory: -1,
            max_storage: -1,
            max_streams: -1,
            max_consumers: -1,
            max_ack_pending: -1,
            memory_max_stream_bytes: -1,
            storage_max_stream_bytes: -1,
            is_max_bytes_required: false,
        }
    }
}

/// What an account uses at the moment; changed per connection, never per
/// message.
#[derive(Debug, Default)]
pub struct AccountUsage {
    /// Client connections.
    pub connections: AtomicU64,
    /// Client connections since the start.
    pub connections_total: AtomicU64,
}

/// One subject mapping of an account (ADR-30).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapping {
    /// Pattern of the subjects that it applies to.
    pub source: String,
    /// Where they go: the weights add up to at most 100.
    pub destinations: Vec<MappingDestination>,
}

/// One destination of a mapping.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MappingDestination {
    /// The new subject, with `$1` or `{{wildcard(1)}}` and the like.
    pub subject: String,
    /// Percentage of messages.
    pub weight: u8,
    /// The cluster that it is for; empty: for all.
    pub cluster: String,
}

/// Somebody who may connect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    /// How it proves who it is.
    pub identity: Identity,
    /// The account that it belongs to.
    pub account: AccountId,
    /// What it may do; `None`: everything.
    pub permissions: Option<Arc<Permissions>>,
    /// The kinds of connections that it may use; `None`: all.
    pub connection_types: Option<Vec<ConnectionType>>,
    /// It may only come through a trusted proxy.
    pub proxy_required: bool,
}

impl User {
    /// A user with a password who may do everything in an account.
    #[must_use]
    pub fn new(user: &str, password: &str, account: AccountId) -> Self {
        Self {
            identity: Identity::Password {
                user: user.to_owned(),
                password: Secret(password.to_owned()),
            },
            account,
            permissions: None,
            connection_types: None,
            proxy_required: false,
        }
    }
}

/// How a user proves who it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identity {
    /// Name and password.
    Password {
        /// The name.
        user: String,
        /// The password, plain or bcrypt.
        password: Secret,
    },
    /// The public key (`U…`) whose owner signs the nonce.
    Nkey(String),
    /// It presents nothing and has no name: whoever comes without credentials where only the
    /// system account has users (NATS 2.15).
    Anonymous,
}

impl Identity {
    /// The user's name or key.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Password { user, .. } => user,
            Self::Nkey(key) => key,
            Self::Anonymous => "",
        }
    }
}

/// What WebSocket clients have to present in place of the users.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenerCredentials {
    /// A user name and a password.
    User {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
}

/// A password or token: plain, or a bcrypt hash.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(pub String);

impl Secret {
    /// Whether it is a bcrypt hash (`$2a$`, `$2b$`, `$2x$` or `$2y$`, two
    /// digits, `$`), NATS 2.15.
    #[must_use]
    pub fn is_bcrypt(&self) -> bool {
        matches!(
            self.0.as_bytes(),
            [b'$', b'2', b'a' | b'b' | b'x' | b'y', b'$', tens, ones, b'$', ..]
                if tens.is_ascii_digit() && ones.is_ascii_digit()
        )
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How somebody connects, as `allowed_connection_types` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConnectionType {
    /// The client protocol over TCP or TLS.
    Standard,
    /// The client protocol over WebSocket.
    Websocket,
    /// A leaf node.
    Leafnode,
    /// A leaf node over WebSocket.
    LeafnodeWebsocket,
    /// MQTT.
    Mqtt,
    /// MQTT over WebSocket.
    MqttWebsocket,
    /// Inside the process.
    InProcess,
}

/// What a user may publish and subscribe to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Permissions {
    /// Subjects to publish to; `None`: all.
    pub publish: Option<SubjectRights>,
    /// Subjects to subscribe to, each perhaps with a queue pattern after a
    /// blank; `None`: all.
    pub subscribe: Option<SubjectRights>,
    /// Leave to answer requests on subjects that are not allowed otherwise.
    pub responses: Option<ResponseRights>,
}

/// Allowed and denied subjects; what is denied wins.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SubjectRights {
    /// Patterns that are allowed; `None`: all that are not denied.
    pub allow: Option<Vec<String>>,
    /// Patterns that are denied.
    pub deny: Vec<String>,
}

/// How long and how often a request may be answered (`allow_responses`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ResponseRights {
    /// Answers per request; `None`: no limit.
    pub messages_max: Option<u32>,
    /// How long after the request; `None`: without end.
    pub expires_ns: Option<u64>,
}

/// Permissions that users share are compared once, however many users there are.
impl PartialEq for Policy {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            accounts,
            generation,
            users,
            token,
            token_requires_proxy,
            has_single_user,
            no_auth_user,
            websocket_no_auth_user,
            websocket_override,
            maps_certificates,
            websocket_maps_certificates,
        } = self;
        *accounts == other.accounts
            && *generation == other.generation
            && *token == other.token
            && *token_requires_proxy == other.token_requires_proxy
            && *has_single_user == other.has_single_user
            && *no_auth_user == other.no_auth_user
            && *websocket_no_auth_user == other.websocket_no_auth_user
            && *websocket_override == other.websocket_override
            && *maps_certificates == other.maps_certificates
            && *websocket_maps_certificates == other.websocket_maps_certificates
            && are_same_users(users, &other.users)
    }
}

impl Eq for Policy {}

fn are_same_users(some: &[User], others: &[User]) -> bool {
    // Those of one account follow each other.
    let mut last_equal = None;
    let mut are_same_permissions = |one: &Arc<Permissions>, other: &Arc<Permissions>| {
        let pair = (Arc::as_ptr(one), Arc::as_ptr(other));
        let is_same = last_equal == Some(pair) || one == other;
        last_equal = is_same.then_some(pair);
        is_same
    };
    let mut is_same = |one: &User, other: &User| {
        one.identity == other.identity
            && one.account == other.account
            && one.connection_types == other.connection_types
            && one.proxy_required == other.proxy_required
            && match (&one.permissions, &other.permissions) {
                (Some(one), Some(other)) => are_same_permissions(one, other),
                (one, other) => one.is_none() == other.is_none(),
            }
    };
    let mut pairs = some.iter().zip(others);
    some.len() == others.len() && pairs.all(|(one, other)| is_same(one, other))
}

/// Two accounts are equal if they are configured alike, whatever is used of them.
impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.limits == other.limits
            && self.jetstream == other.jetstream
            && self.mappings == other.mappings
    }
}

impl Eq for Account {}

impl Account {
    /// An account without limits or mappings.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            limits: AccountLimits::default(),
            jetstream: None,
            mappings: Vec::new(),
            usage: Arc::default(),
            generation: 0,
            is_gone: false,
        }
    }
}

impl Policy {
    /// A policy without users: everybody is welcome in `$G`.
    #[must_use]
    pub fn open() -> Self {
        let mut global = Account::new("$G");
        global.jetstream = Some(JetStreamAccountLimits::default());
        Self {
            accounts: vec![global, Account::new("$SYS")],
            ..Self::default()
        }
    }

    /// A policy with one user, who may do everything in `$G`.
    #[must_use]
    pub fn of_user(user: &str, password: &str) -> Self {
        Self {
            users: vec![User::new(user, password, AccountId::GLOBAL)],
            has_single_user: true,
            ..Self::open()
        }
    }

    /// A policy of who knows the token.
    #[must_use]
    pub fn of_token(token: &str) -> Self {
        Self {
            token: Some(Secret(token.to_owned())),
            ..Self::open()
        }
    }

    /// Whether credentials are required at all.
    #[must_use]
    pub fn requires_credentials(&self) -> bool {
        self.token.is_some() || !self.users.is_empty()
    }

    /// Whether INFO greets clients with the demand for credentials. Where a configured user is that
    /// of clients without any, it does not, except over WebSocket (NATS 2.15).
    #[must_use]
    pub fn greets_with_demand(&self, connection_type: ConnectionType) -> bool {
        let is_websocket = connection_type == ConnectionType::Websocket;
        let stands_in = |user: usize| self.users[user].identity != Identity::Anonymous;
        let has_stand_in = !is_websocket && self.no_auth_user.is_some_and(stands_in);
        self.requires_credentials_over(connection_type) && !has_stand_in
    }

    /// Whether a connection of this type has to present credentials.
    #[must_use]
    pub fn requires_credentials_over(&self, connection_type: ConnectionType) -> bool {
        let is_overridden =
            connection_type == ConnectionType::Websocket && self.websocket_override.is_some();
        is_overridden || self.requires_credentials()
    }

    /// Whether a user's password stands in the configuration as it is.
    #[must_use]
    pub fn has_plain_passwords(&self) -> bool {
        self.users.iter().any(|user| match &user.identity {
            Identity::Password { password, .. } => !password.0.is_empty() && !password.is_bcrypt(),
            Identity::Nkey(_) | Identity::Anonymous => false,
        })
    }

    /// Whether some user signs a nonce.
    #[must_use]
    pub fn has_nkeys(&self) -> bool {
        let is_nkey = |user: &User| matches!(user.identity, Identity::Nkey(_));
        self.users.iter().any(is_nkey)
    }

    /// The account of this name.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<AccountId> {
        let mut accounts = self.accounts_in_use();
        accounts
            .find(|(_, account)| *account.name == *name)
            .map(|(id, _)| id)
    }

    /// The account that has this number, even if it is gone.
    #[must_use]
    pub fn account_of(&self, id: AccountId) -> Option<&Account> {
        let account = self.accounts.get(id.index())?;
        (account.generation == id.generation()).then_some(account)
    }

    /// The name of the account that has this number; empty if none has it.
    #[must_use]
    pub fn account_name(&self, id: AccountId) -> &str {
        self.account_of(id).map_or("", |account| &account.name)
    }

    /// The accounts that are not gone, with their numbers.
    pub fn accounts_in_use(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        self.places().filter(|(_, account)| !account.is_gone)
    }

    /// All places, with the accounts that have them or had them last.
    pub fn places(&self) -> impl Iterator<Item = (AccountId, &Account)> {
        let all = (0u32..).zip(&self.accounts);
        all.map(|(at, account)| (AccountId::new(at, account.generation), account))
    }
}
