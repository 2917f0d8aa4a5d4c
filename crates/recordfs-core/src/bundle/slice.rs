//! Rectangles of a tensor that is stored in parts, and the keys that their entries have.
//!
//! A key is made of pieces whose bytes sort as the values do. Source: `tensorflow/core/lib/strings/ordered_code.cc` and
//! `tensorflow/core/util/saved_tensor_slice_util.cc`.

use super::entry::{Extent, Slice};

/// The key of the entry that holds one slice of the tensor `name`.
pub(super) fn slice_key(name: &[u8], slice: &Slice) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len() + 8 + 4 * slice.len());
    put_number(&mut key, 0);
    put_text(&mut key, name);
    put_number(&mut key, slice.len() as u64);
    for extent in slice {
        put_signed(&mut key, extent.start);
        put_signed(&mut key, extent.length.unwrap_or(-1));
    }
    key
}

fn put_number(out: &mut Vec<u8>, value: u64) {
    let significant = 8 - value.leading_zeros() as usize / 8;
    out.push(significant as u8);
    out.extend_from_slice(&value.to_be_bytes()[8 - significant..]);
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            0x00 => out.extend_from_slice(&[0x00, 0xff]),
            0xff => out.extend_from_slice(&[0xff, 0x00]),
            _ => out.push(byte),
        }
    }
    out.extend_from_slice(&[0x00, 0x01]);
}

fn put_signed(out: &mut Vec<u8>, value: i64) {
    let magnitude = if value < 0 { !value } else { value };
    let bits = 64 - magnitude.leading_zeros() as usize;
    let width = bits / 7 + 1;
    // Ten bytes are the widest; two's complement of a wider width repeats the sign.
    let mut bytes = [if value < 0 { 0xff } else { 0 }; 16];
    bytes[8..].copy_from_slice(&value.to_be_bytes());
    let bytes = &mut bytes[16 - width..];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let ones = width.saturating_sub(8 * index).min(8);
        *byte ^= !(0xff_u32 >> ones) as u8;
    }
    out.extend_from_slice(bytes);
}

/// A slice with its lengths filled in: `(start, length)` for each dimension. None if it does not lie within `shape`.
pub(super) fn resolve(slice: &Slice, shape: &[i64]) -> Option<Vec<(i64, i64)>> {
    if slice.len() != shape.len() {
        return None;
    }
    slice
        .iter()
        .zip(shape)
        .map(|(extent, &dim)| resolve_extent(extent, dim))
        .collect()
}

fn resolve_extent(extent: &Extent, dim: i64) -> Option<(i64, i64)> {
    match extent.length {
        None => (extent.start == 0).then_some((0, dim)),
        Some(length) => {
            let end = extent.start.checked_add(length)?;
            (extent.start >= 0 && length >= 0 && end <= dim).then_some((extent.start, length))
        }
    }
}

/// How many pairs of slices are compared at most. Writers cut along one dimension, where each is compared with its
/// neighbour only; a file can be made so that all have to be compared with all.
const MOST_COMPARISONS: u64 = 50_000_000;

/// Says what is wrong with rectangles that shall cover a shape, each element once.
pub(super) fn check_cover(slices: &[Vec<(i64, i64)>], shape: &[i64]) -> Result<(), &'static str> {
    let volume =
        |lengths: &mut dyn Iterator<Item = i64>| lengths.fold(1u128, |all, length| all.saturating_mul(length as u128));
    let whole = volume(&mut shape.iter().copied());
    let sum = slices.iter().fold(0u128, |sum, slice| {
        sum.saturating_add(volume(&mut slice.iter().map(|&(_, length)| length)))
    });
    let full: Vec<&Vec<(i64, i64)>> = slices
        .iter()
        .filter(|slice| slice.iter().all(|&(_, length)| length > 0))
        .collect();
    if overlap(&full, shape.len())? {
        return Err("two of them overlap");
    }
    if sum != whole {
        return Err("they do not cover the whole tensor");
    }
    Ok(())
}

/// Whether two rectangles have an element in common: a sweep along the dimension in which they differ most.
fn overlap(slices: &[&Vec<(i64, i64)>], rank: usize) -> Result<bool, &'static str> {
    if slices.len() < 2 {
        return Ok(false);
    }
    let starts = |dim: usize| {
        let mut starts: Vec<i64> = slices.iter().map(|slice| slice[dim].0).collect();
        starts.sort_unstable();
        starts.dedup();
        starts.len()
    };
    let Some(along) = (0..rank).max_by_key(|&dim| starts(dim)) else {
        return Ok(true); // two scalars
    };
    let mut sorted = slices.to_vec();
    sorted.sort_unstable_by_key(|slice| slice[along].0);
    let mut active: Vec<&Vec<(i64, i64)>> = Vec::new();
    let mut comparisons = 0;
    for slice in sorted {
        active.retain(|other| other[along].0 + other[along].1 > slice[along].0);
        comparisons += active.len() as u64 + 1;
        if comparisons > MOST_COMPARISONS {
            return Err("there are more of them in a row than any writer makes");
        }
        let meets = |other: &&Vec<(i64, i64)>| other.iter().zip(slice).all(|(a, b)| a.0 < b.0 + b.1 && b.0 < a.0 + a.1);
        if active.iter().any(meets) {
            return Ok(true);
        }
        active.push(slice);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(value: i64) -> Vec<u8> {
        let mut out = Vec::new();
        put_signed(&mut out, value);
        out
    }

    #[test]
    fn signed_numbers_have_tensorflows_bytes() {
        for (value, bytes) in [
            (0, &[0x80][..]),
            (1, &[0x81]),
            (63, &[0xbf]),
            (64, &[0xc0, 0x40]),
            (8191, &[0xdf, 0xff]),
            (8192, &[0xe0, 0x20, 0x00]),
            (-1, &[0x7f]),
            (-65, &[0x3f, 0xbf]),
        ] {
            assert_eq!(signed(value), bytes, "{value}");
        }
    }

    #[test]
    fn signed_numbers_sort_as_their_values() {
        let mut values: Vec<i64> = (0..63)
            .flat_map(|shift| [1 << shift, -(1 << shift), (1 << shift) - 1])
            .collect();
        values.extend([i64::MIN, i64::MAX]);
        values.sort_unstable();
        values.dedup();
        for pair in values.windows(2) {
            assert!(signed(pair[0]) < signed(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn key_of_a_slice_has_tensorflows_bytes() {
        let slice = vec![
            Extent {
                start: 0,
                length: Some(30),
            },
            Extent { start: 0, length: None },
        ];
        let key = [
            0x00, 0x70, 0x61, 0x72, 0x74, 0x00, 0x01, 0x01, 0x02, 0x80, 0x9e, 0x80, 0x7f,
        ];
        assert_eq!(slice_key(b"part", &slice), key);
    }

    #[test]
    fn cover_is_exact() {
        let shape = [4, 2];
        let halves = [vec![(0, 2), (0, 2)], vec![(2, 2), (0, 2)]];
        assert_eq!(check_cover(&halves, &shape), Ok(()));
        assert!(check_cover(&halves[..1], &shape).is_err());
        let overlapping = [vec![(0, 3), (0, 2)], vec![(2, 2), (0, 1)]];
        assert_eq!(check_cover(&overlapping, &shape), Err("two of them overlap"));
        assert_eq!(check_cover(&[vec![], vec![]], &[]), Err("two of them overlap"));
    }
}
