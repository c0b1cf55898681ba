//! Notes in few lines: what holds of several elements alike is said once.

use std::fmt::Write as _;

use vortex_config::Note;

/// A line a note; the names and places of those that say the same follow the first.
pub fn lines<'a>(file: &str, notes: impl Iterator<Item = &'a Note>) -> String {
    let mut groups: Vec<(String, Vec<(&Note, &str)>)> = Vec::new();
    for note in notes {
        let (shape, name) = shape(&note.text);
        match groups.iter_mut().find(|(other, _)| *other == shape) {
            Some((_, alike)) => alike.push((note, name)),
            None => groups.push((shape, vec![(note, name)])),
        }
    }
    let mut text = String::new();
    for (_, alike) in groups {
        let Some(((first, _), others)) = alike.split_first() else { continue };
        let _ = writeln!(text, "  {file}:{}: {}", first.place, first.text);
        if let Some(right) = &first.right {
            let _ = writeln!(text, "    expected: {right}");
        }
        if !others.is_empty() {
            let others: Vec<_> =
                others.iter().map(|(note, name)| format!("'{name}' ({})", note.place)).collect();
            let _ = writeln!(text, "    and likewise {}", others.join(", "));
        }
    }
    text
}

/// The text without the name it speaks of, and that name: the first in quotes.
fn shape(text: &str) -> (String, &str) {
    let mut parts = text.splitn(3, '\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(before), Some(name), Some(after)) => {
            // The same name may come again in what follows.
            (format!("{before}''{}", after.replace(&format!("'{name}'"), "''")), name)
        }
        _ => (text.to_string(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vortex_config::{NoteKind, Place};

    #[test]
    fn what_holds_of_several_is_said_once() {
        let note = |name: &str, line| Note {
            kind: NoteKind::Remark,
            place: Place { line, column: 3 },
            text: format!("'{name}' is so"),
            right: (line == 1).then(|| "otherwise".into()),
        };
        let notes = [note("a", 1), note("b", 2), note("c", 7)];
        let text = lines("f.xml", notes.iter());
        assert_eq!(
            text,
            "  f.xml:1:3: 'a' is so\n    expected: otherwise\n    and likewise 'b' (2:3), 'c' (7:3)\n"
        );
    }
}
