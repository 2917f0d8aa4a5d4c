//! Event files: TensorBoard's `Event` and `Summary` messages, by hand from the wire format, their scalars as columns,
//! and the index that a file carries inside itself.
//!
//! ```text
//! Event   { double wall_time = 1; int64 step = 2; oneof what { string file_version = 3; bytes graph_def = 4;
//!           Summary summary = 5; LogMessage log_message = 6; SessionLog session_log = 7;
//!           TaggedRunMetadata tagged_run_metadata = 8; bytes meta_graph_def = 9; } SourceMetadata source_metadata = 10; }
//! Summary { repeated Value value = 1; }
//! Value   { string tag = 1; string node_name = 7; SummaryMetadata metadata = 9; oneof value { float simple_value = 2;
//!           bytes obsolete = 3; Image image = 4; HistogramProto histo = 5; Audio audio = 6; TensorProto tensor = 8; } }
//! ```
//! Source: `tensorboard/compat/proto/{event,summary,tensor}.proto`. The index: `docs/formats/event-index.md`.

mod block;
mod decode;
mod encode;
mod framer;
mod index;
mod queue;
mod scan;
mod table;
mod tensor;

pub use decode::{
    Content, Event, Metadata, NOT_A_WALL_TIME, NotAnEvent, Value, What, decode_event, decode_metadata,
    decode_writable_event, for_each_value, is_wall_time,
};
pub use encode::{ScalarTag, encode_scalar_event, scalar_event_size};
pub use framer::{EventFramer, FramerOptions};
pub use index::{ColumnPlace, Directory, IndexError, IndexPlace, MAGIC, Segment, TagEntry, TagKind, locate_index};
pub use queue::{Chunk, EventQueue, Pushed, SCALAR_KIND};
pub use scan::{EventScanner, Loss};
pub use table::{Column, DescribedTag, EventTable, Extent, Rows, TagColumn, Values};
