//! Filesystem plugins across TensorFlow's C interface: recordfs as the host that loads them, and as the guest that is one.

use pyo3::prelude::*;

mod abi;
mod filesystem;
mod full_path;
mod guest;
mod hosted_plugin;
mod library;
mod open_files;
mod services;
mod status;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    filesystem::register(module)?;
    guest::register(module)?;
    open_files::register(module)
}
