//! The events that are written by the million.

use crate::protobuf::{put_delimited, put_delimited_head, put_fixed32, put_fixed64, put_varint};
use crate::varint;

/// The bytes of a scalar's event, without what depends on nothing: two tags, two lengths, and the time.
struct Sizes {
    value: usize,
    summary: usize,
    event: usize,
}

fn sizes(tag: &str, step: i64) -> Sizes {
    let delimited = |length: usize| 1 + varint::size(length as u64) + length;
    let value = delimited(tag.len()) + 5;
    let summary = delimited(value);
    let step = if step == 0 { 0 } else { 1 + varint::size(step as u64) };
    Sizes {
        value,
        summary,
        event: 9 + step + delimited(summary),
    }
}

/// How many bytes [`encode_scalar_event`] appends.
#[inline]
#[must_use]
pub fn scalar_event_size(tag: &str, step: i64) -> usize {
    sizes(tag, step).event
}

/// Appends an event with one `simple_value` and no metadata, which every reader takes for a scalar.
#[inline]
pub fn encode_scalar_event(out: &mut Vec<u8>, wall_time: f64, step: i64, tag: &str, value: f32) {
    let sizes = sizes(tag, step);
    out.reserve(sizes.event);
    put_fixed64(out, 1, wall_time.to_le_bytes());
    if step != 0 {
        put_varint(out, 2, step as u64);
    }
    put_delimited_head(out, 5, sizes.summary);
    put_delimited_head(out, 1, sizes.value);
    put_delimited(out, 1, tag.as_bytes());
    put_fixed32(out, 2, value.to_le_bytes());
}

/// The most bytes of a tag that [`ScalarTag`] keeps: with them it fills one line of the processor's cache, less a pointer.
const KEPT_TAG: usize = 48;

/// The bytes around a tag that are kept with it: three keys with lengths below 128, and the key of the value.
const KEPT: usize = KEPT_TAG + 7;

/// What an event of [`ScalarTag`] takes at most: time, step, the bytes kept, and the value.
pub(super) const KEPT_EVENT: usize = 9 + 11 + KEPT + 4;

/// What the events of a tag's scalars hold between their step and their value, ready to be copied.
#[derive(Clone, Copy, Debug)]
pub struct ScalarTag {
    length: u8,
    bytes: [u8; KEPT],
}

impl ScalarTag {
    /// What is kept of a tag; None if the tag is longer than 48 bytes.
    #[must_use]
    pub fn new(tag: &str) -> Option<Self> {
        let name = tag.as_bytes();
        let Sizes { value, summary, .. } = sizes(tag, 0);
        let mut bytes = [0; KEPT];
        bytes[..6].copy_from_slice(&[
            5 << 3 | 2,
            summary as u8,
            1 << 3 | 2,
            value as u8,
            1 << 3 | 2,
            name.len() as u8,
        ]);
        bytes[6..6 + KEPT_TAG].get_mut(..name.len())?.copy_from_slice(name);
        bytes[6 + name.len()] = 2 << 3 | 5;
        Some(Self {
            length: 7 + name.len() as u8,
            bytes,
        })
    }

    /// Writes the event, and whatever it likes after it, and returns how long the event is.
    #[inline(always)]
    pub(super) fn write_event(&self, out: &mut [u8; KEPT_EVENT], wall_time: f64, step: i64, value: f32) -> usize {
        out[0] = 1 << 3 | 1;
        out[1..9].copy_from_slice(&wall_time.to_le_bytes());
        let mut end = 9;
        if step != 0 {
            out[end] = 2 << 3;
            end += 1;
            let mut rest = step as u64;
            while rest >= 0x80 {
                out[end] = rest as u8 | 0x80;
                end += 1;
                rest >>= 7;
            }
            out[end] = rest as u8;
            end += 1;
        }
        // All that is kept and not only its length: a copy of a fixed size is a few instructions and no call.
        out[end..end + KEPT].copy_from_slice(&self.bytes);
        end += usize::from(self.length);
        out[end..end + 4].copy_from_slice(&value.to_le_bytes());
        end + 4
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::{Content, What, decode_event, for_each_value};

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(wall_time in any::<f64>(), step in any::<i64>(), tag in ".{0,200}", value in any::<f32>()) {
            let mut bytes = Vec::new();
            encode_scalar_event(&mut bytes, wall_time, step, &tag, value);
            prop_assert_eq!(bytes.len(), scalar_event_size(&tag, step));
            let event = decode_event(&bytes).unwrap();
            prop_assert_eq!(event.wall_time.to_bits(), wall_time.to_bits());
            prop_assert_eq!(event.step, step);
            let What::Summary(summary) = event.what else { panic!("no summary") };
            let mut found = Vec::new();
            for_each_value::<crate::event::NotAnEvent>(summary, |value| { found.push(value); Ok(()) }).unwrap();
            prop_assert_eq!(found.len(), 1);
            prop_assert_eq!(found[0].tag, tag.as_str());
            let Content::Simple(back) = found[0].content else { panic!("no scalar") };
            prop_assert_eq!(back.to_bits(), value.to_bits());
        }

        #[test]
        fn a_kept_tag_makes_the_same_event(wall_time in any::<f64>(), step in any::<i64>(), tag in ".{0,60}", value in any::<f32>()) {
            let kept = ScalarTag::new(&tag);
            prop_assert_eq!(kept.is_some(), tag.len() <= KEPT_TAG);
            if let Some(kept) = kept {
                let (mut out, mut event) = ([0xff; KEPT_EVENT], Vec::new());
                let size = kept.write_event(&mut out, wall_time, step, value);
                encode_scalar_event(&mut event, wall_time, step, &tag, value);
                prop_assert_eq!(&out[..size], &event[..]);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(event) = decode_event(&bytes) && let What::Summary(summary) = event.what {
                let _ = for_each_value::<crate::event::NotAnEvent>(summary, |_| Ok(()));
            }
        }
    }
}
