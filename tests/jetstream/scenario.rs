//! Reads a file of scenarios, and writes it again with other answers.
//!
//! ```text
//! # A comment. Before the first scenario may stand:
//! config: jetstream { store_dir: "$DIR" }     a line of the configuration file
//! flags: -js -sd $DIR                         command-line flags; these two lines are the default
//! --- a name                                  starts a scenario
//! req SUBJECT [Name: value] body              a step (`play.rs` lists them all)
//! = answer                                    what NATS 2.15.3 answers to it, masked (`mask.rs`)
//! ```
//!
//! The lines with `=` are recorded: nobody writes them by hand.

/// One file; its scenarios share a server unless one asks for a fresh server.
#[derive(Debug)]
pub struct File {
    pub name: String,
    /// Everything before the first scenario, as written.
    head: Vec<String>,
    pub config: String,
    pub flags: Vec<String>,
    pub scenarios: Vec<Scenario>,
}

#[derive(Debug)]
pub struct Scenario {
    pub name: String,
    pub steps: Vec<Step>,
}

/// A line of a scenario that is no answer; comments and empty lines count too.
#[derive(Debug)]
pub struct Step {
    /// Place in the file, from 1.
    pub line: usize,
    pub text: String,
    /// What was recorded.
    pub answers: Vec<String>,
}

impl Step {
    pub fn is_comment(&self) -> bool {
        self.text.is_empty() || self.text.starts_with('#')
    }
}

impl File {
    /// Errors name the line.
    pub fn parse(name: &str, text: &str) -> Result<File, String> {
        let mut file = File {
            name: name.to_owned(),
            head: Vec::new(),
            config: String::new(),
            flags: Vec::new(),
            scenarios: Vec::new(),
        };
        for (line, text) in (1..).zip(text.lines()) {
            if let Some(name) = text.strip_prefix("--- ") {
                file.scenarios.push(Scenario {
                    name: name.trim().to_owned(),
                    steps: Vec::new(),
                });
                continue;
            }
            match file.scenarios.last_mut() {
                Some(scenario) => add_line(scenario, line, text)?,
                None => file.add_head(text),
            }
        }
        if file.flags.is_empty() && file.config.is_empty() {
            file.flags = ["-js", "-sd", "$DIR"].map(str::to_owned).to_vec();
        }
        let mut names: Vec<&str> = file
            .scenarios
            .iter()
            .map(|each| each.name.as_str())
            .collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("two scenarios are called {}", pair[0])),
            None => Ok(file),
        }
    }

    fn add_head(&mut self, text: &str) {
        if let Some(line) = text.strip_prefix("config: ") {
            self.config.push_str(line);
            self.config.push('\n');
        } else if let Some(flags) = text.strip_prefix("flags: ") {
            self.flags
                .extend(flags.split_ascii_whitespace().map(str::to_owned));
        }
        self.head.push(text.to_owned());
    }

    /// The file with these answers, one list per step of each scenario.
    pub fn with_answers(&self, answers: &[Vec<Vec<String>>]) -> String {
        let mut lines = self.head.clone();
        for (scenario, answers) in self.scenarios.iter().zip(answers) {
            lines.push(format!("--- {}", scenario.name));
            for (index, step) in scenario.steps.iter().enumerate() {
                lines.push(step.text.clone());
                let of_step = answers.get(index).into_iter().flatten();
                lines.extend(of_step.map(|answer| format!("= {answer}")));
            }
        }
        lines.join("\n") + "\n"
    }
}

fn add_line(scenario: &mut Scenario, line: usize, text: &str) -> Result<(), String> {
    if let Some(answer) = text.strip_prefix("= ") {
        let step = scenario.steps.last_mut();
        let step = step.ok_or_else(|| format!("line {line}: an answer to nothing"))?;
        step.answers.push(answer.to_owned());
        return Ok(());
    }
    scenario.steps.push(Step {
        line,
        text: text.to_owned(),
        answers: Vec::new(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_as_it_was_read() {
        let text =
            "# What.\nconfig: a: 1\n--- first\nreq a b\n= c\n= d\n\n# Why.\nreq e\n--- second\n";
        let file = File::parse("x", text).unwrap();
        assert_eq!((file.config.as_str(), file.scenarios.len()), ("a: 1\n", 2));
        let answers: Vec<Vec<Vec<String>>> = file
            .scenarios
            .iter()
            .map(|each| each.steps.iter().map(|step| step.answers.clone()).collect())
            .collect();
        assert_eq!(file.with_answers(&answers), text);
        assert!(File::parse("x", "--- a\n--- a\n").is_err());
        assert!(File::parse("x", "--- a\n= b\n").is_err());
    }
}
