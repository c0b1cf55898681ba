//! `getdents64`: records as Linux lays them out, offsets that stay.

use alloc::vec::Vec;

/// The names and types of records; checks what every record must be.
pub(crate) fn records(mut bytes: &[u8]) -> Vec<(Vec<u8>, u8)> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(u16::from_le_bytes([bytes[16], bytes[17]]));
        assert_eq!(length % 8, 0);
        let name = bytes[19..length].split(|&byte| byte == 0).next().unwrap();
        assert!(length - 19 - name.len() >= 1, "a zero ends the name");
        records.push((name.to_vec(), bytes[18]));
        bytes = &bytes[length..];
    }
    records
}
