//! TensorFlow's V2 checkpoints ("tensor bundles"): the index file, the tables that it is made of, and what tensors look
//! like in data files. Pure bytes: which file holds what is the caller's business.
//!
//! ```text
//! index file   sorted table (LevelDB's format): "" -> header, tensor name -> entry, slice key -> entry of one slice
//! data files   bytes of tensors, wherever the entries say
//! ```
//! Sources: `tensorflow/core/util/tensor_bundle/tensor_bundle.cc`, `tensorflow/core/protobuf/tensor_bundle.proto`,
//! `tensorflow/core/protobuf/trackable_object_graph.proto`, and LevelDB's `doc/table_format.md`.
//! `docs/formats/tensor-bundle.md` describes the format.

mod block;
mod blocks;
mod builder;
mod dtype;
mod entry;
mod error;
mod graph;
mod index;
mod merge;
mod slice;
mod strings;
mod table;
mod table_writer;
mod wire;

pub use blocks::{Block, BlockLimits, small_blocks};
pub use builder::{AddError, CoverError, IndexBuilder};
pub use dtype::{DTYPE_STRING, DTYPE_VARIANT, item_size};
pub use entry::{Entry, Extent, Header, Slice};
pub use error::{BundleError, EntryFault, Fault};
pub use graph::{Attribute, Child, GraphError, Node, RegisteredSaver, SlotVariable, decode_graph, encode_graph};
pub use index::{Index, LocatedSlice};
pub use merge::{MergeError, Merged, Numbering, merge};
pub use strings::{StringsFault, StringsHeader, check_variants, decode_strings, strings_header};
pub use table::read_table;
pub use table_writer::TableWriter;
