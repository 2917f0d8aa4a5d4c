//! Checkpoints for Python: indexes, string tensors and object graphs. Reading and writing files is Python's.

use pyo3::prelude::*;

mod blocks;
mod builder;
mod graph;
mod index;
mod strings;

/// Adds this folder's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    blocks::register(module)?;
    builder::register(module)?;
    graph::register(module)?;
    index::register(module)?;
    strings::register(module)
}
