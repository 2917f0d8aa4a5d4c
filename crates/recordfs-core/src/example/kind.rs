//! Which message a record is. Nothing in a record says it, and protobuf reads most messages as an Example without
//! features; so it is told from the fields that are there.

use super::message::{MessageError, UnknownFields, decode_example, decode_sequence_example};
use crate::protobuf::{Field, for_each_field};
use std::fmt;

/// The messages that record files of the TensorFlow ecosystem hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// `tf.train.Example`, or a SequenceExample without feature lists, which is the same bytes.
    Example,
    /// `tf.train.SequenceExample`
    SequenceExample,
    /// `tf.Event`, in the event files of TensorBoard.
    Event,
    /// `tensorflow.serving.ExampleListWithContext`, of TensorFlow Ranking.
    ExampleListWithContext,
    /// Anything else.
    Other,
}

impl MessageKind {
    /// Looks at a whole record.
    pub fn of(record: &[u8]) -> Self {
        if decode_example(record, UnknownFields::Refuse).is_ok() {
            MessageKind::Example
        } else if decode_sequence_example(record, UnknownFields::Refuse).is_ok() {
            MessageKind::SequenceExample
        } else if is_event(record) {
            MessageKind::Event
        } else if is_example_list(record) {
            MessageKind::ExampleListWithContext
        } else {
            MessageKind::Other
        }
    }

    /// The message's name.
    pub const fn name(self) -> &'static str {
        match self {
            MessageKind::Example => "tf.train.Example",
            MessageKind::SequenceExample => "tf.train.SequenceExample",
            MessageKind::Event => "tf.Event",
            MessageKind::ExampleListWithContext => "tensorflow.serving.ExampleListWithContext",
            MessageKind::Other => "other",
        }
    }
}

impl fmt::Display for MessageKind {
    /// What the record is, and what reads it.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            MessageKind::Example => "a tf.train.Example",
            MessageKind::SequenceExample => {
                "a tf.train.SequenceExample, whose feature lists an Example does not have; parse_sequence_example reads \
                 it, `recordfs export --sequence` exports it"
            }
            MessageKind::Event => "an event of TensorBoard (tf.Event); `recordfs events` reads event files",
            MessageKind::ExampleListWithContext => {
                "a list of Examples with a context (tensorflow.serving.ExampleListWithContext), whose field 1 holds an \
                 Example each, for decode_example"
            }
            MessageKind::Other => "no message of the TensorFlow ecosystem",
        })
    }
}

/// Whether all fields are those of `Event`, and one of them is none of an Example's.
///
/// Source: `tensorflow/core/util/event.proto`: wall_time 1 (double), step 2 (int64), and 3 to 10 messages and strings.
fn is_event(record: &[u8]) -> bool {
    let (mut known, mut telling) = (true, false);
    let sound: Result<_, MessageError> = for_each_field(record, |number, field| {
        match (number, field) {
            (1, Field::Fixed64(_)) | (2, Field::Varint(_)) => telling = true,
            (3..=10, Field::Delimited(_)) => {}
            _ => known = false,
        }
        Ok(())
    });
    sound.is_ok() && known && telling
}

/// Whether this is `{ repeated Example examples = 1; Example context = 2; }`, and one of them has features.
fn is_example_list(record: &[u8]) -> bool {
    let (mut known, mut features) = (true, 0);
    let sound: Result<_, MessageError> = for_each_field(record, |number, field| {
        match (number, field) {
            (1 | 2, Field::Delimited(bytes)) => match decode_example(bytes, UnknownFields::Refuse) {
                Ok(found) => features += found.len(),
                Err(_) => known = false,
            },
            _ => known = false,
        }
        Ok(())
    });
    sound.is_ok() && known && features > 0
}

#[cfg(test)]
mod tests {
    use super::MessageKind;

    #[test]
    fn a_record_without_a_field_is_an_example() {
        assert_eq!(MessageKind::of(b""), MessageKind::Example);
        assert_eq!(MessageKind::of(b"\x0a\x00"), MessageKind::Example);
    }

    #[test]
    fn an_event_is_told_by_its_time_or_its_step() {
        let time = b"\x09\0\0\0\0\0\0\xf0\x3f\x1a\x0dbrain.Event:2";
        assert_eq!(MessageKind::of(time), MessageKind::Event);
        assert_eq!(MessageKind::of(b"\x10\x07\x2a\x00"), MessageKind::Event);
    }

    #[test]
    fn a_map_entry_without_its_value_is_no_example() {
        assert_eq!(MessageKind::of(b"\x0a\x05\x0a\x03\x0a\x01a"), MessageKind::Other);
    }

    #[test]
    fn an_example_list_is_told_from_an_example() {
        // One Example with the feature "a": [5], as field 1.
        let example = b"\x0a\x0c\x0a\x0a\x0a\x01a\x12\x05\x1a\x03\x0a\x01\x05";
        let list = [&[0x0a, example.len() as u8][..], example].concat();
        assert_eq!(MessageKind::of(example), MessageKind::Example);
        assert_eq!(MessageKind::of(&list), MessageKind::ExampleListWithContext);
    }
}
