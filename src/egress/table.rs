//! The table that `livekit-cli list-egress` prints, so that whoever reads one reads the other.

use jiff::Timestamp;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `EG_…`.
    pub egress_id: String,
    /// `EGRESS_ACTIVE` and the like.
    pub status: String,
    /// `room_composite`.
    pub kind: String,
    /// The room.
    pub source: String,
    /// When media began to flow.
    pub started_at: Option<Timestamp>,
    /// Empty when there is none.
    pub error: String,
}

const HEADER: [&str; 6] = ["EGRESSID", "STATUS", "TYPE", "SOURCE", "STARTED AT", "ERROR"];

/// Cells are wrapped at this many characters, between words.
const CELL: usize = 30;

/// The whole table, with a line end after each line.
pub fn table(rows: &[Row]) -> String {
    let cells: Vec<[Vec<String>; 6]> = rows.iter().map(|row| row.cells().map(|cell| wrap(&cell))).collect();
    let mut widths = HEADER.map(str::len);
    for lines in &cells {
        for (width, cell) in widths.iter_mut().zip(lines) {
            *width = cell.iter().map(|line| line.chars().count()).fold(*width, usize::max);
        }
    }
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+\n";
    let mut text = rule.clone();
    for (name, width) in HEADER.iter().zip(widths) {
        let left = (width - name.len()) / 2;
        text += &format!("| {}{name}{} ", " ".repeat(left), " ".repeat(width - name.len() - left));
    }
    text += "|\n";
    text += &rule;
    for lines in &cells {
        for n in 0..lines.iter().map(Vec::len).max().unwrap_or(0) {
            for (cell, width) in lines.iter().zip(widths) {
                let line = cell.get(n).map_or("", String::as_str);
                text += &format!("| {line}{} ", " ".repeat(width - line.chars().count()));
            }
            text += "|\n";
        }
    }
    if !rows.is_empty() {
        text += &rule;
    }
    text
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let started_at = self.started_at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string());
        let texts =
            [&self.egress_id, &self.status, &self.kind, &self.source, &started_at.unwrap_or_default(), &self.error];
        // A room may be named anything; a table cannot hold control characters.
        texts.map(|text| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    }
}

fn wrap(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= CELL {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_like_livekits() {
        let row = |id: &str, status: &str, at: Option<&str>, error: &str| Row {
            egress_id: id.into(),
            status: status.into(),
            kind: "room_composite".into(),
            source: "daily".into(),
            started_at: at.map(|at| at.parse().unwrap()),
            error: error.into(),
        };
        let rows = [
            row("EG_nPQZPwZEVdHN", "EGRESS_ACTIVE", Some("2026-11-22T17:00:01.123456789Z"), ""),
            row("EG_aaaaaaaaaaaa", "EGRESS_FAILED", None, "the key was not accepted by the server"),
        ];
        let wanted = "\
+-----------------+---------------+----------------+--------+-------------------------------+-----------------------------+
|    EGRESSID     |    STATUS     |      TYPE      | SOURCE |          STARTED AT           |            ERROR            |
+-----------------+---------------+----------------+--------+-------------------------------+-----------------------------+
| EG_nPQZPwZEVdHN | EGRESS_ACTIVE | room_composite | daily  | 2026-11-22 17:00:01.123456789 |                             |
|                 |               |                |        | +0000 UTC                     |                             |
| EG_aaaaaaaaaaaa | EGRESS_FAILED | room_composite | daily  |                               | the key was not accepted by |
|                 |               |                |        |                               | the server                  |
+-----------------+---------------+----------------+--------+-------------------------------+-----------------------------+
";
        assert_eq!(table(&rows), wanted);
        assert_eq!(table(&[]).lines().count(), 3);
    }
}
