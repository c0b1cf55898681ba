//! What an order says: the fields of a form, as browsers and `curl --data-urlencode` write them.

/// Its fields, in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// What these bytes say; `None` where they are no form.
    pub fn read(body: &[u8]) -> Option<Self> {
        let text = |bytes| String::from_utf8(decoded(bytes)?).ok();
        let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let fields = pairs.map(|pair| {
            let place = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at(place);
            Some((text(name)?, text(value.get(1..)?)?))
        });
        fields.collect::<Option<_>>().map(Self)
    }

    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All fields, in order.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = text.iter();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => *other,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_or_it_is_no_form() {
        let form = Form::read(b"a=1+2&arg=%2Fbin%2fls&arg=&x=%00").unwrap();
        let read: Vec<_> = form.0.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        assert_eq!(read, [("a", "1 2"), ("arg", "/bin/ls"), ("arg", ""), ("x", "\0")]);
        assert_eq!([form.get("arg"), form.get("b")], [Some("/bin/ls"), None]);
        assert_eq!(Form::read(b"").unwrap(), Form(Vec::new()));
        for wrong in [&b"a"[..], b"a=%2", b"a=%zz", b"a=1&b", b"a=%ff"] {
            assert_eq!(Form::read(wrong), None, "{wrong:?}");
        }
    }
}
