//! The command that this process was started with, as it can be shown and run again: quoted for a shell, without secrets.

/// What stands for a secret.
const HIDDEN: &str = "SECRET";
/// Options whose value is a secret, ours and those of servers; with one dash or two.
const SECRET: [&str; 4] = ["password", "token", "pass", "auth"];
/// Options whose value is a user and a secret.
const LOGIN: [&str; 2] = ["ours-user", "theirs-user"];
/// Options whose value is a command line.
const NESTED: [&str; 2] = ["ours-args", "theirs-args"];

/// The command of this process.
pub fn line() -> String {
    let mut words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    // As it is called, wherever it lies.
    let name = words.next().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default().to_string();
    let rest: Vec<String> = words.collect();
    std::iter::once(name)
        .chain(without_secrets(&rest))
        .map(|word| quoted(&word))
        .collect::<Vec<_>>()
        .join(" ")
}

fn without_secrets(words: &[String]) -> Vec<String> {
    let mut option = "";
    let mut shown = Vec::with_capacity(words.len());
    for word in words {
        match word.split_once('=').filter(|_| word.starts_with('-')) {
            Some((name, value)) => shown.push(format!("{name}={}", value_of(name, value))),
            None => shown.push(value_of(option, word)),
        }
        option = if word.contains('=') { "" } else { word };
    }
    shown
}

/// The value of an option as it may be seen.
fn value_of(option: &str, value: &str) -> String {
    let option = option.trim_start_matches('-');
    if SECRET.contains(&option) {
        return HIDDEN.into();
    }
    if LOGIN.contains(&option) {
        return value
            .split_once(':')
            .map_or(HIDDEN.into(), |(user, _)| format!("{user}:{HIDDEN}"));
    }
    if NESTED.contains(&option) {
        let words: Vec<String> = value.split_whitespace().map(String::from).collect();
        return without_secrets(&words).join(" ");
    }
    without_login(value)
}

/// A URL, or what may be one, without the user and password (or token) before its host.
fn without_login(text: &str) -> String {
    let (scheme, rest) = match text.find("://") {
        Some(at) => text.split_at(at + 3),
        None => ("", text),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((login, _)) => format!("{scheme}{HIDDEN}{}", &rest[login.len()..]),
        None => text.into(),
    }
}

/// Quoted for a shell, if need be.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:,=@%+".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &[&str]) -> String {
        let words: Vec<String> = line.iter().map(|word| (*word).into()).collect();
        let shown = without_secrets(&words);
        let shown: Vec<String> = shown.iter().map(|word| quoted(word)).collect();
        shown.join(" ")
    }

    #[test]
    fn secrets_are_hidden_however_they_are_given() {
        for (line, expected) in [
            (
                &["--user", "u", "--password", "p"][..],
                "--user u --password SECRET",
            ),
            (
                &["--password=p=q", "--token", "t"],
                "--password=SECRET --token SECRET",
            ),
            (
                &["--ours-user", "u:p", "--theirs-user=t"],
                "--ours-user u:SECRET --theirs-user=SECRET",
            ),
            (
                &["--server", "nats://u:p@h:1/a@b"],
                "--server nats://SECRET@h:1/a@b",
            ),
            (&["--server=t@h:1"], "--server=SECRET@h:1"),
            (
                &["--ours-args", "-D --user u --pass p --routes nats://u:p@h"],
                "--ours-args '-D --user u --pass SECRET --routes nats://SECRET@h'",
            ),
            (&["--ours-args=-auth t -V"], "'--ours-args=-auth SECRET -V'"),
        ] {
            assert_eq!(shown(line), expected);
        }
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(
            shown(&[
                "pub",
                "--size",
                "uniform:16..64KiB",
                "--report",
                "it's here.html",
                ""
            ]),
            r"pub --size uniform:16..64KiB --report 'it'\''s here.html' ''"
        );
    }
}
