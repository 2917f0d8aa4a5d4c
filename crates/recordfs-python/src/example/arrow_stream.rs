//! `ArrowExampleParser`: batches of Examples as Arrow arrays, one by one or as a stream that reads as it is read.

use std::ffi::{CString, c_char, c_int};
use std::ptr;
use std::sync::Arc;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use recordfs_core::example::{ExampleError, OnMissing, Plan, parse_batch};

use super::arrow_abi::{ArrowArray, ArrowArrayStream, ArrowSchema, into_capsule};
use super::arrow_export::{ArrayNode, ArrowField, batch_array, batch_schema};
use super::parser::{FeatureTuple, bad_record, make_plan};
use super::records::Records;
use crate::error::invalid_argument;
use crate::python_call::items;

/// The error numbers a stream answers with: what the source says, and everything else.
const EIO: c_int = 5;
const EINVAL: c_int = 22;

/// What batches are parsed into.
struct Layout {
    plan: Plan,
    fields: Vec<ArrowField>,
    threads: usize,
    /// For features that were inferred: from how many records.
    inferred_from: Option<usize>,
}

impl Layout {
    /// `first` is the number of records before these, for the message of an error.
    fn parse(&self, py: Python<'_>, records: &Bound<'_, PyAny>, first: usize) -> PyResult<ArrayNode> {
        let records = Records::extract(records)?;
        let slices = records.slices();
        py.detach(|| {
            let columns = parse_batch(&self.plan, &slices, self.threads, false)?;
            Ok(batch_array(&self.fields, columns, slices.len()))
        })
        .map_err(|error: ExampleError| {
            let mut message = format!("{error} (the batch begins with record {first} of what was read)");
            if let Some(seen) = self.inferred_from {
                message += &format!(
                    "; the features were inferred from {seen} records: sample=None (--sample 0) infers them from all"
                );
            }
            bad_record(py, &message, error.record, None)
        })
    }
}

/// Reads Examples into Arrow arrays. Safe to use from many threads.
#[pyclass(frozen, module = "recordfs._core")]
pub struct ArrowExampleParser {
    layout: Arc<Layout>,
}

#[pymethods]
impl ArrowExampleParser {
    /// `columns` has, for each feature, its name and the sizes of its fixed-size lists, or None for a list of any length.
    /// `inferred_from` is the number of records that the features were inferred from; whatever else a later record holds
    /// is then an error. None reads the features that there are.
    #[new]
    fn new(
        features: Vec<FeatureTuple<'_>>,
        columns: Vec<(String, Option<Vec<usize>>)>,
        threads: usize,
        inferred_from: Option<usize>,
    ) -> PyResult<Self> {
        let plan = make_plan(features, inferred_from.is_some())?;
        let fields: PyResult<Vec<_>> = plan
            .features()
            .iter()
            .zip(columns)
            .map(|(feature, (name, shape))| {
                let name = CString::new(name).map_err(|_| invalid_argument("Arrow has no name with a NUL in it"))?;
                Ok(ArrowField {
                    name,
                    kind: feature.kind,
                    shape,
                    nullable: feature.on_missing == OnMissing::Absent,
                })
            })
            .collect();
        Ok(Self {
            layout: Arc::new(Layout {
                plan,
                fields: fields?,
                threads,
                inferred_from,
            }),
        })
    }

    /// The schema in a capsule.
    fn schema<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        into_capsule(py, batch_schema(&self.layout.fields))
    }

    /// One batch, before which there were `first` records.
    fn parse(&self, py: Python<'_>, records: &Bound<'_, PyAny>, first: usize) -> PyResult<ArrowBatch> {
        Ok(ArrowBatch {
            layout: Arc::clone(&self.layout),
            array: self.layout.parse(py, records, first)?,
        })
    }

    /// A stream, in a capsule, of the batches of an iterator of lists of records.
    fn stream<'py>(&self, py: Python<'py>, batches: Py<PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let source = Box::new(Source {
            layout: Arc::clone(&self.layout),
            batches,
            first: 0,
            error: None,
        });
        let stream = ArrowArrayStream {
            get_schema: Some(get_schema),
            get_next: Some(get_next),
            get_last_error: Some(get_last_error),
            release: Some(release_stream),
            private_data: Box::into_raw(source).cast(),
        };
        into_capsule(py, stream)
    }
}

/// One batch of Examples as an Arrow struct array; it may be exported any number of times, always over the same memory.
#[pyclass(frozen, module = "recordfs._core")]
pub struct ArrowBatch {
    layout: Arc<Layout>,
    array: ArrayNode,
}

#[pymethods]
impl ArrowBatch {
    fn __len__(&self) -> usize {
        self.array.len()
    }

    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        into_capsule(py, batch_schema(&self.layout.fields))
    }

    /// The Arrow PyCapsule interface. A requested schema is a wish, and is not granted.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let _ = requested_schema;
        let schema = self.__arrow_c_schema__(py)?;
        let array = into_capsule(py, self.array.clone().export())?;
        (schema, array).into_pyobject(py)
    }
}

/// A stream's private data.
struct Source {
    layout: Arc<Layout>,
    batches: Py<PyAny>,
    /// Records so far.
    first: usize,
    error: Option<CString>,
}

impl Source {
    fn next(&mut self) -> Result<ArrowArray, c_int> {
        Python::attach(|py| {
            let batch = items(self.batches.bind(py)).and_then(|mut batches| batches.next().transpose());
            match batch.and_then(|batch| {
                batch
                    .map(|records| self.layout.parse(py, &records, self.first))
                    .transpose()
            }) {
                Ok(Some(array)) => {
                    self.first += array.len();
                    Ok(array.export())
                }
                Ok(None) => Ok(ArrowArray::released()),
                Err(error) => {
                    self.error = CString::new(error.to_string().replace('\0', " ")).ok();
                    Err(if error.is_instance_of::<PyOSError>(py) {
                        EIO
                    } else {
                        EINVAL
                    })
                }
            }
        })
    }
}

unsafe extern "C" fn get_schema(stream: *mut ArrowArrayStream, out: *mut ArrowSchema) -> c_int {
    // SAFETY: a stream of `ArrowExampleParser::stream` that has not been released, and a place for a schema.
    unsafe {
        let source = &*(*stream).private_data.cast::<Source>();
        ptr::write(out, batch_schema(&source.layout.fields));
    }
    0
}

unsafe extern "C" fn get_next(stream: *mut ArrowArrayStream, out: *mut ArrowArray) -> c_int {
    // SAFETY: as above; one thread at a time, as the specification says.
    let source = unsafe { &mut *(*stream).private_data.cast::<Source>() };
    match source.next() {
        Ok(array) => {
            // SAFETY: a place for an array.
            unsafe { ptr::write(out, array) };
            0
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn get_last_error(stream: *mut ArrowArrayStream) -> *const c_char {
    // SAFETY: as above.
    let source = unsafe { &*(*stream).private_data.cast::<Source>() };
    source.error.as_ref().map_or(ptr::null(), |error| error.as_ptr())
}

unsafe extern "C" fn release_stream(stream: *mut ArrowArrayStream) {
    // SAFETY: called once, with a stream of `ArrowExampleParser::stream`.
    unsafe {
        let source = Box::from_raw((*stream).private_data.cast::<Source>());
        (*stream).release = None;
        Python::attach(|_| drop(source));
    }
}

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ArrowExampleParser>()?;
    module.add_class::<ArrowBatch>()
}
