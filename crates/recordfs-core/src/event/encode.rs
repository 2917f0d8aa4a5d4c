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
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(event) = decode_event(&bytes) && let What::Summary(summary) = event.what {
                let _ = for_each_value::<crate::event::NotAnEvent>(summary, |_| Ok(()));
            }
        }
    }
}
