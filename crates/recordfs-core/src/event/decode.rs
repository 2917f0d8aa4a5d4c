//! `Event` messages, read where they lie: nothing is copied.

use std::fmt;

use crate::protobuf::{Field, Malformed, for_each_field};

/// A record that is not an Event: what TensorBoard's loaders would refuse. TensorBoard's Python loader ends at one for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnEvent {
    /// What is wrong.
    pub reason: &'static str,
}

impl fmt::Display for NotAnEvent {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "not a serialized Event: {}", self.reason)
    }
}

impl std::error::Error for NotAnEvent {}

impl From<Malformed> for NotAnEvent {
    fn from(Malformed { reason }: Malformed) -> Self {
        Self { reason }
    }
}

/// What an event holds besides its time and step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum What<'a> {
    /// Nothing, or only fields that this reader does not know.
    #[default]
    Nothing,
    /// `brain.Event:2` in the first event of a file.
    FileVersion(&'a str),
    /// A serialized `GraphDef`.
    GraphDef(&'a [u8]),
    /// A `Summary`: read it with [`for_each_value`].
    Summary(&'a [u8]),
    /// A `LogMessage`, which nothing writes any more.
    LogMessage(&'a [u8]),
    /// A `SessionLog` with this status: 1 START, 2 STOP, 3 CHECKPOINT.
    SessionLog {
        /// The status' number.
        status: u64,
        /// The whole message.
        message: &'a [u8],
    },
    /// A `TaggedRunMetadata`.
    TaggedRunMetadata(&'a [u8]),
    /// A serialized `MetaGraphDef`.
    MetaGraphDef(&'a [u8]),
}

impl What<'_> {
    /// The field number in `Event`; 0 for nothing.
    pub const fn number(&self) -> u32 {
        match self {
            What::Nothing => 0,
            What::FileVersion(_) => 3,
            What::GraphDef(_) => 4,
            What::Summary(_) => 5,
            What::LogMessage(_) => 6,
            What::SessionLog { .. } => 7,
            What::TaggedRunMetadata(_) => 8,
            What::MetaGraphDef(_) => 9,
        }
    }

    /// Whether a job started, or started again, here.
    pub const fn is_session_start(&self) -> bool {
        matches!(self, What::SessionLog { status: 1, .. })
    }
}

/// One event.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Event<'a> {
    /// Seconds since 1970.
    pub wall_time: f64,
    /// The training step.
    pub step: i64,
    /// What it is about. Of several, which no writer makes, the last.
    pub what: What<'a>,
    /// The program that wrote the file, in the first event of some.
    pub writer: Option<&'a str>,
    /// The content of the field that recordfs keeps its index in.
    pub index: Option<&'a [u8]>,
}

/// The number of the field of an Event that holds an index; no reader of events knows it, so all skip it.
pub(crate) const INDEX_FIELD: u32 = 7001;

/// Reads an Event, and checks that the messages in it can be read too.
///
/// # Errors
/// What protobuf refuses, and so every other reader.
pub fn decode_event(record: &[u8]) -> Result<Event<'_>, NotAnEvent> {
    let mut event = Event::default();
    for_each_field::<NotAnEvent>(record, |number, field| {
        match (number, field) {
            (1, Field::Fixed64(bytes)) => event.wall_time = f64::from_le_bytes(bytes),
            (2, Field::Varint(step)) => event.step = step as i64,
            (3, Field::Delimited(bytes)) => event.what = What::FileVersion(text(bytes)?),
            (4, Field::Delimited(bytes)) => event.what = What::GraphDef(bytes),
            (5, Field::Delimited(bytes)) => event.what = What::Summary(bytes),
            (6, Field::Delimited(bytes)) => event.what = What::LogMessage(checked(bytes)?),
            (7, Field::Delimited(message)) => {
                let status = first_varint(message)?;
                event.what = What::SessionLog { status, message };
            }
            (8, Field::Delimited(bytes)) => event.what = What::TaggedRunMetadata(checked(bytes)?),
            (9, Field::Delimited(bytes)) => event.what = What::MetaGraphDef(bytes),
            (10, Field::Delimited(bytes)) => event.writer = first_text(bytes)?,
            (INDEX_FIELD, Field::Delimited(bytes)) => event.index = Some(bytes),
            _ => {}
        }
        Ok(())
    })?;
    Ok(event)
}

/// Reads an Event that is to be written, and checks that every reader can read it and place it in time.
///
/// # Errors
/// What [`decode_event`] refuses, values that are none, 2 GiB, and a wall time that [`is_wall_time`] refuses: TensorBoard
/// sorts and draws by time, and cannot do it with one that is not a number.
pub fn decode_writable_event(record: &[u8]) -> Result<Event<'_>, NotAnEvent> {
    let event = decode_event(record)?;
    check_writable(&event, record.len())?;
    if let What::Summary(summary) = event.what {
        for_each_value::<NotAnEvent>(summary, |_| Ok(()))?;
    }
    Ok(event)
}

/// What is wrong with an event whose time [`is_wall_time`] refuses.
pub const NOT_A_WALL_TIME: &str = "a wall time is a finite number of seconds since 1970, found NaN or infinity";

/// Whether an event can have this time.
#[must_use]
pub const fn is_wall_time(seconds: f64) -> bool {
    seconds.is_finite()
}

/// A message of protobuf is shorter: no reader takes one of 2 GiB.
const MAX_EVENT: usize = i32::MAX as usize;

/// Whether [`is_wall_time`] takes the time of an event, and protobuf its length.
pub(crate) const fn check_writable(event: &Event<'_>, length: usize) -> Result<(), NotAnEvent> {
    let reason = if !is_wall_time(event.wall_time) {
        NOT_A_WALL_TIME
    } else if length > MAX_EVENT {
        "it has 2 GiB or more, which no reader of protobuf takes"
    } else {
        return Ok(());
    };
    Err(NotAnEvent { reason })
}

/// What one value of a summary holds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Content<'a> {
    /// Nothing but perhaps metadata, as hyperparameters have it.
    #[default]
    Nothing,
    /// A scalar.
    Simple(f32),
    /// A histogram of TensorFlow 1.0's time.
    Obsolete(&'a [u8]),
    /// A `Summary.Image`.
    Image(&'a [u8]),
    /// A `HistogramProto`.
    Histogram(&'a [u8]),
    /// A `Summary.Audio`.
    Audio(&'a [u8]),
    /// A `TensorProto`.
    Tensor(&'a [u8]),
}

impl Content<'_> {
    /// The field number in `Summary.Value`; 0 for nothing.
    pub const fn number(&self) -> u32 {
        match self {
            Content::Nothing => 0,
            Content::Simple(_) => 2,
            Content::Obsolete(_) => 3,
            Content::Image(_) => 4,
            Content::Histogram(_) => 5,
            Content::Audio(_) => 6,
            Content::Tensor(_) => 8,
        }
    }
}

/// One value of a summary.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Value<'a> {
    /// What it is a value of.
    pub tag: &'a str,
    /// The node of a graph that made it; of TensorFlow 1.
    pub node_name: &'a str,
    /// A `SummaryMetadata`: read it with [`decode_metadata`].
    pub metadata: Option<&'a [u8]>,
    /// What it holds.
    pub content: Content<'a>,
}

/// Calls `visit` with each value of a summary.
///
/// # Errors
/// What protobuf refuses.
#[inline]
pub fn for_each_value<'a, E: From<NotAnEvent> + From<Malformed>>(
    summary: &'a [u8],
    mut visit: impl FnMut(Value<'a>) -> Result<(), E>,
) -> Result<(), E> {
    for_each_field::<E>(summary, |number, field| match (number, field) {
        (1, Field::Delimited(message)) => visit(decode_value(message)?),
        _ => Ok(()),
    })
}

fn decode_value(message: &[u8]) -> Result<Value<'_>, NotAnEvent> {
    let mut value = Value::default();
    for_each_field::<NotAnEvent>(message, |number, field| {
        match (number, field) {
            (1, Field::Delimited(bytes)) => value.tag = text(bytes)?,
            (2, Field::Fixed32(bytes)) => value.content = Content::Simple(f32::from_le_bytes(bytes)),
            (3, Field::Delimited(bytes)) => value.content = Content::Obsolete(bytes),
            (4, Field::Delimited(bytes)) => value.content = Content::Image(checked(bytes)?),
            (5, Field::Delimited(bytes)) => value.content = Content::Histogram(checked(bytes)?),
            (6, Field::Delimited(bytes)) => value.content = Content::Audio(checked(bytes)?),
            (7, Field::Delimited(bytes)) => value.node_name = text(bytes)?,
            (8, Field::Delimited(bytes)) => value.content = Content::Tensor(checked(bytes)?),
            (9, Field::Delimited(bytes)) => {
                decode_metadata(bytes)?;
                value.metadata = Some(bytes);
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(value)
}

/// What a tag's first value says about the tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// The dashboard that shows the tag.
    pub plugin_name: &'a str,
    /// What that dashboard keeps with the tag.
    pub plugin_content: &'a [u8],
    /// The tag's name for people.
    pub display_name: &'a str,
    /// A description, in Markdown.
    pub description: &'a str,
    /// 0 unknown, 1 scalar, 2 tensor, 3 blob sequence.
    pub data_class: u64,
}

/// Reads a `SummaryMetadata`.
///
/// # Errors
/// What protobuf refuses.
pub fn decode_metadata(message: &[u8]) -> Result<Metadata<'_>, NotAnEvent> {
    let mut metadata = Metadata::default();
    for_each_field::<NotAnEvent>(message, |number, field| {
        match (number, field) {
            (1, Field::Delimited(plugin)) => for_each_field::<NotAnEvent>(plugin, |number, field| {
                match (number, field) {
                    (1, Field::Delimited(bytes)) => metadata.plugin_name = text(bytes)?,
                    (2, Field::Delimited(bytes)) => metadata.plugin_content = bytes,
                    _ => {}
                }
                Ok(())
            })?,
            (2, Field::Delimited(bytes)) => metadata.display_name = text(bytes)?,
            (3, Field::Delimited(bytes)) => metadata.description = text(bytes)?,
            (4, Field::Varint(class)) => metadata.data_class = class,
            _ => {}
        }
        Ok(())
    })?;
    Ok(metadata)
}

/// A string field: protobuf refuses one that is not UTF-8.
#[inline]
fn text(bytes: &[u8]) -> Result<&str, NotAnEvent> {
    std::str::from_utf8(bytes).map_err(|_| NotAnEvent {
        reason: "a string is not UTF-8",
    })
}

/// A message whose fields can be walked over.
fn checked(message: &[u8]) -> Result<&[u8], NotAnEvent> {
    for_each_field::<NotAnEvent>(message, |_, _| Ok(()))?;
    Ok(message)
}

fn first_varint(message: &[u8]) -> Result<u64, NotAnEvent> {
    let mut value = 0;
    for_each_field::<NotAnEvent>(message, |number, field| {
        if let (1, Field::Varint(found)) = (number, field) {
            value = found;
        }
        Ok(())
    })?;
    Ok(value)
}

fn first_text(message: &[u8]) -> Result<Option<&str>, NotAnEvent> {
    let mut value = None;
    for_each_field::<NotAnEvent>(message, |number, field| {
        if let (1, Field::Delimited(bytes)) = (number, field) {
            value = Some(text(bytes)?);
        }
        Ok(())
    })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_reader_takes_is_not_written() {
        let event = Event::default();
        assert_eq!(check_writable(&event, MAX_EVENT), Ok(()));
        assert!(check_writable(&event, MAX_EVENT + 1).is_err());
        let timeless = Event {
            wall_time: f64::NAN,
            ..event
        };
        assert!(check_writable(&timeless, 1).is_err());
    }
}
