//! Packed varints, a block of bytes at a time.

/// The top bit of each byte: clear in the last byte of a varint.
const CONTINUATION: u64 = 0x8080_8080_8080_8080;

/// Bytes in which the ends of varints are looked for at once, and the bytes that must be readable there: a varint that
/// begins in the last of them is loaded as eight.
const BLOCK: usize = 32;
const READABLE: usize = BLOCK + 8;

/// How many varints `bytes` holds if they are sound: the number of bytes that end one.
pub(crate) fn count(bytes: &[u8]) -> usize {
    // Counters of one byte, which cannot overflow within a chunk, make this a few vector instructions.
    bytes
        .chunks(255)
        .map(|chunk| usize::from(chunk.iter().map(|&byte| u8::from(byte < 0x80)).sum::<u8>()))
        .sum()
}

/// The value of a varint of up to eight bytes, which are the low bytes of `word`, all others zero.
#[inline]
fn gather(word: u64) -> u64 {
    if word >> 32 == 0 {
        return word & 0x7f | (word >> 1) & 0x3f80 | (word >> 2) & 0x1f_c000 | (word >> 3) & 0xfe0_0000;
    }
    let word = word & !CONTINUATION;
    let word = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let word = (word & 0x0000_3fff_0000_3fff) | ((word & 0x3fff_0000_3fff_0000) >> 2);
    (word & 0x0fff_ffff) | ((word & 0x0fff_ffff_0000_0000) >> 4)
}

/// One bit for each byte of a block: whether a varint ends there.
#[inline]
fn ends_in(block: &[u8; READABLE]) -> u32 {
    let mut ends = 0;
    for (place, word) in block[..BLOCK].as_chunks::<8>().0.iter().enumerate() {
        let tops = !u64::from_le_bytes(*word) & CONTINUATION;
        // Moves the top bit of byte n to bit n of the highest byte; no two products meet.
        ends |= ((tops.wrapping_mul(0x0002_0408_1020_4081) >> 56) as u32) << (8 * place);
    }
    ends
}

/// Fills `out` from `bytes`, which must hold exactly `out.len()` varints ([`count`]).
/// None if one is longer than ten bytes or the last one is cut.
///
/// The ends of all varints of a block are known before the first is decoded, so that decoding one does not wait for
/// the length of the one before it.
pub(crate) fn decode_all(bytes: &[u8], out: &mut [i64]) -> Option<()> {
    #[cfg(target_arch = "x86_64")]
    if bit_instructions::are_fast() {
        // SAFETY: the processor has them.
        return unsafe { bit_instructions::decode_all(bytes, out) };
    }
    decode_with(bytes, out, gather, ends_in)
}

/// Decoding with the instructions that do each of its two steps at once, in half the time.
#[cfg(target_arch = "x86_64")]
mod bit_instructions {
    use std::arch::x86_64::{_mm256_loadu_si256, _mm256_movemask_epi8, _pext_u64};

    use super::{CONTINUATION, READABLE, decode_with};

    /// Whether this processor has them and is quick at them: AMD's before Zen 3 have `pext` and take 18 steps for it, and
    /// none of those has AVX-512.
    #[inline]
    pub(super) fn are_fast() -> bool {
        std::is_x86_feature_detected!("avx512f")
            && std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("bmi1")
            && std::is_x86_feature_detected!("bmi2")
    }

    #[target_feature(enable = "avx2,bmi1,bmi2")]
    pub(super) fn decode_all(bytes: &[u8], out: &mut [i64]) -> Option<()> {
        let ends_in = |block: &[u8; READABLE]| {
            // SAFETY: a block has the 32 bytes that are loaded, and more.
            let bytes = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
            !_mm256_movemask_epi8(bytes) as u32
        };
        decode_with(bytes, out, |word| _pext_u64(word, !CONTINUATION), ends_in)
    }
}

#[inline(always)]
fn decode_with(
    mut bytes: &[u8],
    out: &mut [i64],
    gather: impl Fn(u64) -> u64,
    ends_in: impl Fn(&[u8; READABLE]) -> u32,
) -> Option<()> {
    if bytes.last().is_some_and(|&byte| byte >= 0x80) {
        return None;
    }
    let mut slots = out.iter_mut();
    while let Some(block) = bytes.first_chunk::<READABLE>() {
        let consumed = decode_block(block, ends_in(block), &mut slots, &gather)?;
        bytes = &bytes[consumed..];
    }
    while !bytes.is_empty() {
        // The rest with zeros after it, whose ends do not count.
        let mut block = [0; READABLE];
        let length = bytes.len().min(BLOCK);
        block[..length].copy_from_slice(&bytes[..length]);
        let ends = ends_in(&block) & (u32::MAX >> (BLOCK - length));
        let consumed = decode_block(&block, ends, &mut slots, &gather)?;
        bytes = &bytes[consumed..];
    }
    Some(())
}

/// Decodes the varints that end in a block and returns how many bytes they take. None if none ends there: a varint
/// has at most ten bytes.
#[inline(always)]
fn decode_block<'a>(
    block: &[u8; READABLE],
    mut ends: u32,
    slots: &mut impl Iterator<Item = &'a mut i64>,
    gather: &impl Fn(u64) -> u64,
) -> Option<usize> {
    if ends == u32::MAX {
        // Values of one byte: labels, small counts, token types.
        for &byte in &block[..BLOCK] {
            *slots.next()? = i64::from(byte);
        }
        return Some(BLOCK);
    }
    let mut start = 0;
    while ends != 0 {
        let end = ends.trailing_zeros() as usize + 1;
        ends &= ends - 1;
        let length = end - start;
        let value = if length <= 8 {
            let word = u64::from_le_bytes(*block[start..].first_chunk()?);
            gather(word & (u64::MAX >> (64 - 8 * length)))
        } else {
            decode_one(&block[start..end])?.0
        };
        *slots.next()? = value as i64;
        start = end;
    }
    (start > 0).then_some(start)
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

    /// Without the instructions that only some processors have.
    fn decode_portably(bytes: &[u8], count: usize) -> Option<Vec<i64>> {
        let mut out = vec![0; count];
        decode_with(bytes, &mut out, gather, ends_in).map(|()| out)
    }

    proptest! {
        #[test]
        fn what_is_put_is_read(values in proptest::collection::vec(any_magnitude(), 0..90)) {
            let mut bytes = Vec::new();
            for &value in &values {
                let before = bytes.len();
                put(&mut bytes, value as u64);
                prop_assert_eq!(bytes.len() - before, size(value as u64));
            }
            prop_assert_eq!(count(&bytes), values.len());
            let mut out = vec![0; values.len()];
            prop_assert_eq!(decode_all(&bytes, &mut out), Some(()));
            prop_assert_eq!(decode_portably(&bytes, values.len()), Some(out.clone()));
            prop_assert_eq!(out, values);
        }

        #[test]
        fn any_bytes_read_as_one_at_a_time(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0x80)], 0..150)) {
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
            prop_assert_eq!(&sound.map(|()| out), &expected);
            prop_assert_eq!(decode_portably(&bytes, count(&bytes)), expected);
        }
    }
}
