//! The extension module `recordfs._core`: the only Rust that knows Python.

use pyo3::prelude::*;

/// Registers the native names.
#[pymodule]
fn _core(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
