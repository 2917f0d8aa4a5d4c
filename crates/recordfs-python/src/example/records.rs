//! The records of a batch: whatever Python has, as slices that stay valid while the GIL is released.

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyException, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::error::invalid_argument;
use crate::python_call::items;

/// One record and what keeps its bytes alive and still.
enum Held<'py> {
    Bytes(Bound<'py, PyBytes>),
    ReadOnly(PyBuffer<u8>),
    Copied(Vec<u8>),
}

/// The records of a batch.
pub struct Records<'py> {
    held: Vec<Held<'py>>,
}

impl<'py> Records<'py> {
    /// Takes an iterable of bytes-like objects. Those that can be written to are copied, so that nobody changes them
    /// while they are read.
    pub fn extract(records: &Bound<'py, PyAny>) -> PyResult<Self> {
        if records.is_instance_of::<PyBytes>() || records.is_instance_of::<PyString>() {
            return Err(invalid_argument(
                "expected a sequence of serialized records, found one bytes or str object; \
                 put it into a list, or use parse_single_example",
            ));
        }
        let held = match records.cast::<PyList>() {
            Ok(list) => list.iter().map(hold).collect::<PyResult<_>>()?,
            Err(_) => items(records)?.map(|record| hold(record?)).collect::<PyResult<_>>()?,
        };
        Ok(Self { held })
    }

    /// Takes one bytes-like object.
    pub fn extract_one(record: Bound<'py, PyAny>) -> PyResult<Self> {
        Ok(Self {
            held: vec![hold(record)?],
        })
    }

    /// The records' bytes.
    pub fn slices(&self) -> Vec<&[u8]> {
        self.held.iter().map(Held::bytes).collect()
    }
}

impl Held<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Held::Bytes(bytes) => bytes.as_bytes(),
            // SAFETY: the buffer is contiguous bytes (checked by `hold`), exported for as long as `self` lives, and
            // read-only; an exporter that changes memory it calls read-only breaks the buffer protocol's promise.
            Held::ReadOnly(buffer) => unsafe {
                std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>().cast_const(), buffer.len_bytes())
            },
            Held::Copied(bytes) => bytes,
        }
    }
}

/// The error for what gives no buffer of bytes, where `refusal` says why.
#[cold]
fn not_bytes_like(record: &Bound<'_, PyAny>, refusal: PyErr) -> PyErr {
    let py = record.py();
    if !refusal.is_instance_of::<PyException>(py) {
        return refusal;
    }
    let found = record.get_type();
    let message = format!("expected a serialized record as a bytes-like object, found {found}");
    if refusal.is_instance_of::<PyTypeError>(py) {
        return invalid_argument(message);
    }
    let raised = invalid_argument(format!("{message}: {}", refusal.value(py)));
    raised.set_cause(py, Some(refusal));
    raised
}

fn hold(record: Bound<'_, PyAny>) -> PyResult<Held<'_>> {
    let record = match record.cast_into::<PyBytes>() {
        Ok(bytes) => return Ok(Held::Bytes(bytes)),
        Err(other) => other.into_inner(),
    };
    let buffer = PyBuffer::<u8>::get(&record).map_err(|refusal| not_bytes_like(&record, refusal))?;
    // The address of an empty buffer may be null, which no slice may have.
    if buffer.readonly() && buffer.is_c_contiguous() && buffer.len_bytes() > 0 {
        return Ok(Held::ReadOnly(buffer));
    }
    Ok(Held::Copied(buffer.to_vec(record.py())?))
}
