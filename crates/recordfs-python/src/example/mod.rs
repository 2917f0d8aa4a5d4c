//! Python's door to `recordfs_core::example`: columns and Arrow arrays, records from any bytes-like objects.

mod arrow_abi;
mod arrow_export;
mod arrow_import;
mod arrow_stream;
mod arrow_types;
mod decoder;
mod doubles;
mod encoder;
mod file_batches;
mod parser;
mod records;

use pyo3::prelude::*;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<arrow_import::ArrowRecords>()?;
    module.add_class::<file_batches::ExampleBatches>()?;
    arrow_stream::register(module)?;
    parser::register(module)?;
    decoder::register(module)?;
    encoder::register(module)
}
