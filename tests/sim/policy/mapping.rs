//! Where mappings send a subject, as the checkers understand them.

use super::MappingModel;
use crate::protocol::reaches;

/// What may become of a message with a subject; `None`: it is lost.
pub fn destinations(mappings: &[MappingModel], subject: &str) -> Vec<Option<String>> {
    let mapping = mappings
        .iter()
        .find(|mapping| reaches(mapping.source, subject));
    let Some(mapping) = mapping else {
        return vec![Some(subject.into())];
    };
    let stars = mapping.source.split('.').zip(subject.split('.'));
    let wildcards: Vec<&str> = stars
        .filter(|(token, _)| *token == "*")
        .map(|(_, have)| have)
        .collect();
    let mut found = Vec::new();
    let mut total = 0;
    for &(destination, weight) in &mapping.destinations {
        total += weight;
        if weight > 0 {
            found.push(Some(become_of(destination, &wildcards)));
        }
    }
    let names_itself = mapping
        .destinations
        .iter()
        .any(|(destination, _)| *destination == mapping.source);
    if total < 100 {
        found.push((!names_itself).then(|| subject.into()));
    }
    found
}

fn become_of(destination: &str, wildcards: &[&str]) -> String {
    let token = |token: &str| {
        if let Some(number) = token.strip_prefix('$') {
            return wildcards[number.parse::<usize>().unwrap() - 1].to_owned();
        }
        match token {
            "{{wildcard(1)}}" => wildcards[0].to_owned(),
            "{{partition(3,1)}}" => (fnv(wildcards[0]) % 3).to_string(),
            _ => token.to_owned(),
        }
    };
    // No function here has a dot in its arguments.
    let tokens: Vec<String> = destination.split('.').map(token).collect();
    tokens.join(".")
}

/// FNV-1a with 32 bits, which chooses partitions.
fn fnv(text: &str) -> u32 {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    text.bytes().fold(2_166_136_261, step)
}
