//! Changes of a configuration's text by rule: enough for small files in one form.

#![allow(clippy::unwrap_used, reason = "the lint's exception for tests knows no helpers")]

/// A file being changed.
pub struct File(String);

impl File {
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    pub fn text(self) -> String {
        self.0
    }

    /// Where a line and a column are, both from one.
    fn at(&self, (line, column): (u32, u32)) -> usize {
        let lines = self.0.split_inclusive('\n').take(line as usize - 1);
        let start: usize = lines.map(str::len).sum();
        let within = self.0[start..].chars().take(column as usize - 1);
        start + within.map(char::len_utf8).sum::<usize>()
    }

    /// Sets an attribute of the element that begins there; nothing takes it away.
    fn write(&mut self, at: usize, name: &str, value: Option<&str>) {
        assert!(self.0[at..].starts_with('<'), "{}", &self.0[at..]);
        let end = at + self.0[at..].find('>').unwrap();
        let key = format!(" {name}=\"");
        let new = value.map(|value| format!(" {name}=\"{value}\"")).unwrap_or_default();
        match self.0[at..end].find(&key) {
            Some(found) => {
                let start = at + found;
                let after = start + key.len();
                let end = after + self.0[after..].find('"').unwrap() + 1;
                self.0.replace_range(start..end, &new);
            }
            None => {
                let end = if self.0[..end].ends_with('/') { end - 1 } else { end };
                self.0.insert_str(end, &new);
            }
        }
    }

    /// Sets an attribute of the element in this place.
    pub fn set(&mut self, place: (u32, u32), name: &str, value: &str) {
        self.write(self.at(place), name, Some(value));
    }

    pub fn unset(&mut self, place: (u32, u32), name: &str) {
        self.write(self.at(place), name, None);
    }

    /// Of the first element of this kind behind the place.
    pub fn set_within(&mut self, place: (u32, u32), kind: &str, name: &str, value: &str) {
        let at = self.at(place);
        let at = at + self.0[at..].find(&format!("<{kind}")).unwrap();
        self.write(at, name, Some(value));
    }

    /// Where the scheduler of this name begins: its first mention does.
    fn scheduler(&self, of: &str) -> usize {
        let named = [format!("tag=\"{of}\""), format!("resource=\"{of}\"")];
        let found = named.iter().filter_map(|named| self.0.find(named)).min().unwrap();
        self.0[..found].rfind('<').unwrap()
    }

    /// Of the scheduler of this name.
    pub fn set_of(&mut self, of: &str, name: &str, value: &str) {
        self.write(self.scheduler(of), name, Some(value));
    }

    /// Of its request from the scheduler of that tag.
    pub fn set_of_draw(&mut self, of: &str, tag: &str, name: &str, value: &str) {
        let at = self.scheduler(of);
        let inner = at + self.0[at..].find('>').unwrap();
        let found = inner + self.0[inner..].find(&format!("tag=\"{tag}\"")).unwrap();
        let at = self.0[..found].rfind('<').unwrap();
        self.write(at, name, Some(value));
    }

    /// Wherever it is written first.
    pub fn set_first(&mut self, name: &str, value: &str) {
        let found = self.0.find(&format!(" {name}=\"")).unwrap();
        let at = self.0[..found].rfind('<').unwrap();
        self.write(at, name, Some(value));
    }

    /// Puts an element before all others.
    pub fn insert_first(&mut self, element: &str) {
        let end = self.0.find('>').unwrap() + 1;
        self.0.insert_str(end, element);
    }

    /// Takes away the attribute, or the element, that begins there.
    pub fn remove_attribute(&mut self, place: (u32, u32)) {
        let at = self.at(place);
        let rest = &self.0[at..];
        let end = if let Some(rest) = rest.strip_prefix('<') {
            let kind: String = rest.chars().take_while(|c| c.is_alphanumeric()).collect();
            let own = rest.find('>').unwrap();
            let close = format!("</{kind}>");
            match rest[..own].ends_with('/') {
                true => own + 2,
                false => rest.find(&close).unwrap() + close.len() + 1,
            }
        } else {
            let quote = rest.find('"').unwrap() + 1;
            quote + rest[quote..].find('"').unwrap() + 1
        };
        let blank = usize::from(self.0[..at].ends_with(' ') && !rest.starts_with('<'));
        self.0.replace_range(at - blank..at + end, "");
    }

    /// Puts one word for another at the place or behind it.
    pub fn replace(&mut self, place: (u32, u32), old: &str, new: &str) {
        let at = self.at(place);
        let quoted = self.0[at..].find(&format!("\"{old}\"")).map(|found| found + 1);
        let start = at + quoted.or_else(|| self.0[at..].find(old)).unwrap();
        self.0.replace_range(start..start + old.len(), new);
    }

    /// The scheduler that the element at the place, or around it, names, or is.
    pub fn set_algorithm(&mut self, place: (u32, u32), value: &str) {
        let at = self.at(place);
        let start = self.0[..=at].rfind('<').unwrap();
        let end = start + self.0[start..].find('>').unwrap();
        let element = self.0[start..end].to_string();
        let named = |name: &str| {
            let (_, rest) = element.split_once(&format!(" {name}=\""))?;
            Some(rest.split('"').next().unwrap().to_string())
        };
        let at = if element.contains("algorithm=") && !element.starts_with("<group") {
            start
        } else if let Some(of) = named("resource").or_else(|| named("tag")) {
            self.scheduler(&of)
        } else if let Some(core) = named("core") {
            let found = self.0.find(&format!("core=\"{core}\"")).unwrap();
            self.0[..found].rfind('<').unwrap()
        } else {
            let group = named("within").unwrap();
            let found = self.0.find(&format!("name=\"{group}\"")).unwrap();
            self.0[..found].rfind('<').unwrap()
        };
        self.write(at, "algorithm", Some(value));
    }
}
