//! The sample configurations and units of `tuning/`.

use std::path::{Path, PathBuf};

use trunkline_tests::ServerUnderTest;

fn tuning() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().join("tuning")
}

#[test]
fn sample_configurations_are_valid() {
    if !ServerUnderTest::builder().is_ours() {
        return eprintln!("skipped: the reference has no `cores`");
    }
    for name in ["dedicated", "laptop", "container"] {
        let path = tuning().join(format!("profiles/{name}.conf"));
        let path = path.to_str().unwrap();
        let finished = ServerUnderTest::builder()
            .without_address()
            .arguments(&["-t", "-c", path])
            .run_to_end();
        let said = finished.stdout + &finished.stderr;
        assert_eq!(finished.status.code(), Some(0), "{said}");
        assert!(said.contains("is valid"), "{said}");
        // No key is a leftover that only a warning tells of.
        assert!(!said.to_lowercase().contains("warn"), "{said}");
    }
}

/// The unit gives the server what its own checks at start ask for.
#[test]
fn the_unit_fits_the_server() {
    let unit = std::fs::read_to_string(tuning().join("trunkline.service")).unwrap();
    let has = |line: &str| unit.lines().any(|found| found == line);
    for line in [
        "Type=notify",
        "NotifyAccess=main",
        "KillSignal=SIGUSR2",
        "LimitNOFILE=1048576",
        "LimitMEMLOCK=infinity",
        "SystemCallFilter=@system-service",
        // Pinning; it must follow the line that takes @resources away.
        "SystemCallFilter=sched_setaffinity sched_setattr",
    ] {
        assert!(has(line), "{line}");
    }
    let at = |line: &str| unit.find(line).unwrap();
    assert!(at("SystemCallFilter=~") < at("SystemCallFilter=sched_setaffinity"));
}

#[test]
fn what_the_guide_names_is_there() {
    let mut named = 0;
    for page in ["README.md", "guide.md"] {
        let text = std::fs::read_to_string(tuning().join(page)).unwrap();
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap();
            if path.starts_with("https://") || path.is_empty() {
                continue;
            }
            named += 1;
            assert!(tuning().join(path).exists(), "{page} names {path}");
        }
    }
    assert!(named > 5, "the pages have links");
}

/// The example of the README runs as it is pasted.
#[test]
fn the_configuration_of_the_readme_is_valid() {
    if !ServerUnderTest::builder().is_ours() {
        return;
    }
    let readme = std::fs::read_to_string(tuning().join("../README.md")).unwrap();
    let blocks = readme
        .split("```\n")
        .filter(|block| block.contains("cores: "));
    let examples: Vec<&str> = blocks
        .filter(|block| block.starts_with("listen: "))
        .collect();
    assert_eq!(examples.len(), 1, "{examples:?}");
    let path = std::env::temp_dir().join(format!("readme-{}.conf", std::process::id()));
    std::fs::write(&path, examples[0]).unwrap();
    let finished = ServerUnderTest::builder()
        .without_address()
        .arguments(&["-t", "-c", path.to_str().unwrap()])
        .run_to_end();
    std::fs::remove_file(&path).unwrap();
    let said = finished.stdout + &finished.stderr;
    assert_eq!(finished.status.code(), Some(0), "{said}");
    assert!(said.contains("is valid"), "{said}");
}
