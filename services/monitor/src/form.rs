//! What an order says: the fields of a form, as browsers and `curl --data-urlencode` write them.

/// The fields, in order; `None` where it is no form.
pub fn fields(body: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let place = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at(place);
            let name = String::from_utf8(decoded(name)?).ok()?;
            Some((name, decoded(value.get(1..)?)?))
        })
        .collect()
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
        let read = fields(b"a=1+2&arg=%2Fbin%2fls&arg=&x=%00").unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        let wanted: [(&str, &[u8]); 4] =
            [("a", b"1 2"), ("arg", b"/bin/ls"), ("arg", b""), ("x", b"\0")];
        assert_eq!(read, wanted);
        assert_eq!(fields(b"").unwrap(), []);
        for wrong in [&b"a"[..], b"a=%2", b"a=%zz", b"a=1&b"] {
            assert_eq!(fields(wrong), None, "{wrong:?}");
        }
    }
}
