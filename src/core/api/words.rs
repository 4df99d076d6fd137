//! Fields of configurations that are one of a few words.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::shown::quoted;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $first:ident = $first_word:literal, $($other:ident = $word:literal),* }, $unknown:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
        #[serde(try_from = "Value", into = "&'static str")]
        pub enum $name {
            #[doc = concat!("`", $first_word, "`.")]
            #[default]
            $first,
            $(#[doc = concat!("`", $word, "`.")] $other),*
        }

        impl TryFrom<Value> for $name {
            type Error = String;

            fn try_from(value: Value) -> Result<Self, String> {
                match value.as_str() {
                    Some($first_word) => Ok(Self::$first),
                    $(Some($word) => Ok(Self::$other),)*
                    _ => Err($unknown(&value)),
                }
            }
        }

        impl From<$name> for &'static str {
            fn from(word: $name) -> Self {
                match word {
                    $name::$first => $first_word,
                    $($name::$other => $word),*
                }
            }
        }
    };
}

fn unknown(value: &Value) -> String {
    format!("can not unmarshal {}", quoted(&value.to_string()))
}

words!(
    /// When messages go, apart from limits.
    RetentionWord { Limits = "limits", Interest = "interest", WorkQueue = "workqueue" },
    unknown
);
words!(
    /// What happens at a limit.
    DiscardWord { Old = "old", New = "new" },
    unknown
);
words!(
    /// Where messages are.
    StorageWord { File = "file", Memory = "memory" },
    unknown
);
words!(
    /// How blocks are compressed.
    CompressionWord { None = "none", S2 = "s2" },
    |_| "unknown compression algorithm".to_owned()
);
words!(
    /// When a message is acknowledged.
    PersistWord { Default = "default", Async = "async" },
    unknown
);
words!(
    /// With which message a consumer begins.
    DeliverWord {
        All = "all",
        Last = "last",
        New = "new",
        StartSequence = "by_start_sequence",
        StartTime = "by_start_time",
        LastPerSubject = "last_per_subject"
    },
    unknown
);
words!(
    /// How messages are acknowledged.
    AckWord { None = "none", All = "all", Explicit = "explicit", FlowControl = "flow_control" },
    unknown
);
words!(
    /// How fast messages are delivered again.
    ReplayWord { Instant = "instant", Original = "original" },
    unknown
);
words!(
    /// Which requests are served first.
    PriorityWord {
        None = "none",
        Overflow = "overflow",
        PinnedClient = "pinned_client",
        Prioritized = "prioritized"
    },
    unknown
);
