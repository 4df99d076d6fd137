//! What the machine is, for reports.

use std::fs;

/// Names and values; what cannot be read is left out.
pub fn facts() -> Vec<(String, String)> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let model = read("/proc/cpuinfo").and_then(|text| field(&text, "model name"));
    let memory = read("/proc/meminfo").and_then(|text| field(&text, "MemTotal"));
    let gibibytes = memory.and_then(|text| {
        let kibibytes: f64 = text.trim_end_matches("kB").trim().parse().ok()?;
        Some(format!("{:.1} GiB", kibibytes / 1_048_576.0))
    });
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg").map(|text| {
        let averages: Vec<&str> = text.split(' ').take(3).collect();
        averages.join(" ")
    });
    let kernel = read("/proc/sys/kernel/osrelease").map(|text| format!("Linux {}", text.trim()));
    let all = [
        ("processor", model),
        ("CPUs", Some(cpus.to_string())),
        ("memory", gibibytes),
        ("kernel", kernel),
        ("load averages", load),
        ("loadgen", Some(env!("CARGO_PKG_VERSION").into())),
    ];
    all.into_iter()
        .filter_map(|(name, text)| Some((name.to_string(), text?)))
        .collect()
}

/// The value of the first `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_facts() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nmodel name\t: Other\n";
        assert_eq!(field(text, "model name").unwrap(), "Some CPU @ 3 GHz");
        assert_eq!(field(text, "flags"), None);
        let facts = facts();
        assert!(facts.iter().any(|(name, _)| name == "kernel"), "{facts:?}");
    }
}
