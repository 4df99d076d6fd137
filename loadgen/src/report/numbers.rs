//! Numbers for people, and medians with their bands.

use serde::Serialize;

/// Number with thousands separated.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A median with its range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Median.
    pub median: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
}

impl Spread {
    /// Of `values`; `None` when there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        };
        Some(Spread { median, min, max })
    }

    /// As `median (min–max)`, each as `name` writes it; without a band where there is none.
    pub fn text(&self, name: impl Fn(f64) -> String) -> String {
        match self.min < self.max {
            true => format!(
                "{} ({}–{})",
                name(self.median),
                name(self.min),
                name(self.max)
            ),
            false => name(self.median),
        }
    }
}

/// About three digits, whatever the size.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.2}M", value / 1e6),
        size if size >= 1e5 => format!("{:.0}k", value / 1e3),
        size if size >= 1e3 => grouped(value),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        0.0 => "0".into(),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands() {
        assert_eq!(
            [0.0, 999.0, 1000.0, 1_234_567.4].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn spreads() {
        let spread = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(Spread::of(vec![3.0, 1.0, 2.0]), spread(2.0, 1.0, 3.0));
        assert_eq!(Spread::of(vec![4.0, 1.0]), spread(2.5, 1.0, 4.0));
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn a_band_is_shown_where_there_is_one() {
        let text = |values| Spread::of(values).unwrap().text(number);
        assert_eq!(text(vec![1.0, 2.0, 4.0]), "2.00 (1.00–4.00)");
        assert_eq!(text(vec![2.0]), "2.00");
    }

    #[test]
    fn numbers() {
        assert_eq!(
            [0.0, 0.0412, 1.234, 63.24, 39_748.0, 153_395.0, 3_700_000.0].map(number),
            ["0", "0.0412", "1.23", "63.2", "39,748", "153k", "3.70M"]
        );
    }
}
