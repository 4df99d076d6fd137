//! What a comparison needs of the machine, looked at before the first run: programs, configuration files, CPUs.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Where the program given as `option` is: a path, or a name that is looked for as a shell would.
pub fn program(option: &str, path: &Path) -> Result<PathBuf, String> {
    let is_name =
        path.components().count() == 1 && !path.as_os_str().as_encoded_bytes().contains(&b'/');
    if !is_name {
        return runnable(path)
            .map(|()| path.into())
            .map_err(|text| format!("{option} {}: {text}", path.display()));
    }
    let places = std::env::var_os("PATH").unwrap_or_default();
    let candidates = std::env::split_paths(&places).map(|folder| folder.join(path));
    let mut found = candidates.filter(|candidate| runnable(candidate).is_ok());
    found.next().ok_or_else(|| {
        let hint = match runnable(path) {
            Ok(()) => format!("; for the one in this folder write ./{}", path.display()),
            Err(_) => String::new(),
        };
        format!("{option} {}: no such program in PATH{hint}", path.display())
    })
}

fn runnable(path: &Path) -> Result<(), String> {
    let facts = path.metadata().map_err(|error| error.to_string())?;
    if !facts.is_file() {
        return Err("this is no file".into());
    }
    access(path, Access::EXEC_OK).map_err(|_| "this file may not be executed".to_string())
}

/// Whether the file given as `option` can be read.
pub fn readable(option: &str, path: Option<&Path>) -> Result<(), String> {
    let Some(path) = path else { return Ok(()) };
    std::fs::read_to_string(path)
        .map(|_| ())
        .map_err(|error| format!("{option} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_as_a_shell_finds_them() {
        let shell = program("--ours", Path::new("sh")).unwrap();
        assert!(shell.is_absolute() && program("--ours", &shell) == Ok(shell.clone()));
        for (path, expected) in [
            ("/nonexistent/x", "--ours /nonexistent/x: No such file"),
            (
                "no-such-program",
                "--ours no-such-program: no such program in PATH",
            ),
            ("/", "--ours /: this is no file"),
            (
                "/etc/passwd",
                "--ours /etc/passwd: this file may not be executed",
            ),
            ("", "--ours : No such file"),
        ] {
            let text = program("--ours", Path::new(path)).unwrap_err();
            assert!(text.starts_with(expected), "{text}");
        }
        assert!(readable("--ours-config", None).is_ok());
        let missing = readable("--ours-config", Some(Path::new("/nonexistent"))).unwrap_err();
        assert!(
            missing.starts_with("--ours-config /nonexistent: "),
            "{missing}"
        );
    }
}
