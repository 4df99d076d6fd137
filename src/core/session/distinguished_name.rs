//! Distinguished names (RFC 4514): the subject of a certificate compared with
//! the name of a user, as NATS 2.15 does for `verify_and_map`.

/// One attribute: its type as Go names it, and its value.
pub type Attribute = (String, String);

/// A distinguished name: groups of attributes, the most specific first. Within
/// a group the order means nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DistinguishedName(pub Vec<Vec<Attribute>>);

/// Characters that a backslash before them takes literally.
const ESCAPED: &[u8] = b" \"#+,;<=>\\";

impl DistinguishedName {
    /// Reads a name as it is written: `CN=app,OU=a+OU=b,O=Acme\, Inc`; `None`
    /// if it is not one. Attributes in BER (`#0403...`) are not understood.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut groups = Vec::new();
        let mut group = Vec::new();
        let mut kind: Option<String> = None;
        let mut field = Field::default();
        let mut bytes = text.bytes().peekable();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => {
                    let first = bytes.next()?;
                    match ESCAPED.contains(&first) {
                        true => field.push(first),
                        false => field.push(hexadecimal(first)? << 4 | hexadecimal(bytes.next()?)?),
                    }
                }
                b'=' => {
                    kind = Some(field.take()?);
                    if bytes.peek() == Some(&b'#') {
                        return None;
                    }
                }
                b',' | b'+' => {
                    group.push((kind.take()?, field.take()?));
                    if byte == b',' {
                        groups.push(std::mem::take(&mut group));
                    }
                }
                b' ' => field.push_blank(),
                other => field.push(other),
            }
        }
        if !field.bytes.is_empty() {
            group.push((kind?, field.take()?));
            groups.push(group);
        }
        Some(Self(groups))
    }

    /// Whether both are the same, group by group.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len() && pairs.all(|(own, other)| is_same_group(own, other))
    }

    /// Whether both have the same groups, in whatever order.
    #[must_use]
    pub fn is_same_in_any_order(&self, other: &Self) -> bool {
        let mut left: Vec<&Vec<Attribute>> = other.0.iter().collect();
        self.0.len() == left.len()
            && self.0.iter().all(|own| {
                let found = left.iter().position(|group| is_same_group(own, group));
                found.map(|at| left.swap_remove(at)).is_some()
            })
    }
}

/// A type or a value while it is read. Blanks at either end do not count.
#[derive(Default)]
struct Field {
    bytes: Vec<u8>,
    blanks: usize,
}

impl Field {
    fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.blanks = 0;
    }

    fn push_blank(&mut self) {
        if !self.bytes.is_empty() {
            self.bytes.push(b' ');
            self.blanks += 1;
        }
    }

    fn take(&mut self) -> Option<String> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.truncate(bytes.len() - std::mem::take(&mut self.blanks));
        String::from_utf8(bytes).ok()
    }
}

fn hexadecimal(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

fn is_same_group(own: &[Attribute], other: &[Attribute]) -> bool {
    let is_in = |one: &Attribute, many: &[Attribute]| {
        let mut many = many.iter();
        many.any(|(kind, value)| kind.eq_ignore_ascii_case(&one.0) && *value == one.1)
    };
    own.len() == other.len()
        && own.iter().all(|one| is_in(one, other))
        && other.iter().all(|one| is_in(one, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DistinguishedName {
        DistinguishedName::parse(text).expect("a name")
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let attribute = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
        assert_eq!(
            name("CN= a b ,OU=x+ou=y,O=Acme\\, I\\6Ec\\ ").0,
            vec![
                vec![attribute("CN", "a b")],
                vec![attribute("OU", "x"), attribute("ou", "y")],
                vec![attribute("O", "Acme, Inc ")],
            ]
        );
        for text in [
            "CN=#04", "CN", "CN=a,b", ",", "CN=a\\", "CN=a\\zz", "CN=\\ff",
        ] {
            assert_eq!(DistinguishedName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn groups_count_not_their_inner_order() {
        let own = name("CN=a,OU=x+OU=y,O=z");
        assert!(own.is_same(&name("cn=a,OU=y+OU=x,O=z")));
        assert!(!own.is_same(&name("OU=x+OU=y,CN=a,O=z")));
        assert!(own.is_same_in_any_order(&name("O=z,OU=y+OU=x,CN=a")));
        for other in [
            "CN=a,OU=x,O=z",
            "CN=a,OU=x+OU=y",
            "CN=A,OU=x+OU=y,O=z",
            "CN=a,OU=x+OU=x,O=z",
        ] {
            assert!(!own.is_same_in_any_order(&name(other)), "{other}");
        }
        assert!(!name("CN=a,CN=a").is_same_in_any_order(&name("CN=a,CN=b")));
    }
}
