//! What is wrong with a file, all of it together.

use std::fmt;

use super::value::ConfigError;

/// What is wrong with a file. Displays one line per warning and error.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    /// Worth fixing, not in the way of a start.
    pub warnings: Vec<ConfigError>,
    /// In the way.
    pub errors: Vec<ConfigError>,
}

impl fmt::Display for Findings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.warnings.iter().chain(&self.errors);
        for (index, line) in lines.enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}
