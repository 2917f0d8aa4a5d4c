//! Packed varints, eight bytes at a time.

/// The top bit of each byte: clear in the last byte of a varint.
const CONTINUATION: u64 = 0x8080_8080_8080_8080;

/// How many varints `bytes` holds if they are sound: the number of bytes that end one.
pub(crate) fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|&&byte| byte < 0x80).count()
}

/// The value of a varint whose bytes are the low bytes of `word`, all others zero.
#[inline]
fn gather(word: u64) -> u64 {
    let word = word & !CONTINUATION;
    let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
    (word & 0x0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4)
}

/// Fills `out` from `bytes`, which must hold exactly `out.len()` varints ([`count`]).
/// None if one is longer than ten bytes or the last one is cut.
pub(crate) fn decode_all(mut bytes: &[u8], out: &mut [i64]) -> Option<()> {
    if bytes.last().is_some_and(|&byte| byte >= 0x80) {
        return None;
    }
    let mut filled = 0;
    while let Some(head) = bytes.first_chunk::<8>() {
        let word = u64::from_le_bytes(*head);
        let ends = !word & CONTINUATION;
        let later_ends = ends & ends.wrapping_sub(1);
        if ends == CONTINUATION {
            // Eight values of one byte each: labels, small counts, token types.
            for (slot, &byte) in out.get_mut(filled..filled + 8)?.iter_mut().zip(head) {
                *slot = i64::from(byte);
            }
            filled += 8;
            bytes = &bytes[8..];
        } else if ends == 0 {
            let (value, length) = decode_one(bytes)?;
            *out.get_mut(filled)? = value as i64;
            filled += 1;
            bytes = &bytes[length..];
        } else {
            let first_bits = ends.trailing_zeros() + 1;
            *out.get_mut(filled)? = gather(word & (u64::MAX >> (64 - first_bits))) as i64;
            filled += 1;
            let mut bits = first_bits;
            if later_ends != 0 {
                // Values of up to four bytes: two from one load, which halves the wait for the next one.
                bits = later_ends.trailing_zeros() + 1;
                *out.get_mut(filled)? = gather((word & (u64::MAX >> (64 - bits))) >> first_bits) as i64;
                filled += 1;
            }
            bytes = &bytes[bits as usize / 8..];
        }
    }
    while !bytes.is_empty() {
        let (value, length) = decode_one(bytes)?;
        *out.get_mut(filled)? = value as i64;
        filled += 1;
        bytes = &bytes[length..];
    }
    Some(())
}

/// The varint at the start of `bytes` and its length.
pub(crate) fn decode_one(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, &byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Some((value, index + 1));
        }
    }
    None
}

/// The number of bytes that `value` takes.
#[inline]
pub(crate) fn size(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends `value`.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_magnitude() -> impl Strategy<Value = i64> {
        (any::<i64>(), 0u32..64).prop_map(|(value, shift)| value >> shift)
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(values in proptest::collection::vec(any_magnitude(), 0..40)) {
            let mut bytes = Vec::new();
            for &value in &values {
                let before = bytes.len();
                put(&mut bytes, value as u64);
                prop_assert_eq!(bytes.len() - before, size(value as u64));
            }
            prop_assert_eq!(count(&bytes), values.len());
            let mut out = vec![0; values.len()];
            prop_assert_eq!(decode_all(&bytes, &mut out), Some(()));
            prop_assert_eq!(out, values);
        }

        #[test]
        fn any_bytes_read_as_one_at_a_time(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80)], 0..60)) {
            let mut expected = Some(Vec::new());
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                match (decode_one(rest), &mut expected) {
                    (Some((value, length)), Some(values)) => {
                        values.push(value as i64);
                        rest = &rest[length..];
                    }
                    _ => {
                        expected = None;
                        break;
                    }
                }
            }
            let mut out = vec![0; count(&bytes)];
            let sound = decode_all(&bytes, &mut out);
            prop_assert_eq!(sound.map(|()| out), expected);
        }
    }
}
