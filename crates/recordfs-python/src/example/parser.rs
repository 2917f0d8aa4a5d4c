//! `ExampleParser` and `SequenceExampleParser`: plans made once, batches parsed with the GIL released.

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use recordfs_core::example::{
    Column, DefaultValues, ExampleError, FeaturePlan, Kind, Layout, OnMissing, Plan, SequenceColumn, Values,
    parse_batch, parse_sequence_batch,
};
use recordfs_core::record::OVERHEAD;

use crate::column_buffer::ColumnBuffer;
use crate::error::{invalid_argument, raised_by};
use crate::reader::NativeRecordReader;
use crate::window::WINDOW_SIZE;

use super::file_batches::ExampleBatches;
use super::records::Records;

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ExampleParser>()?;
    module.add_class::<SequenceExampleParser>()
}

/// One feature as Python describes it: key, kind, layout, values a record or step, what to do where it is missing
/// ("refuse", "absent" or "default"), and the default values or the one padding value.
pub type FeatureTuple<'py> = (String, String, String, usize, String, Option<Bound<'py, PyAny>>);

/// The plan for features that Python has checked. Whether it is `complete`: whatever else a record holds is an error.
pub fn make_plan(features: Vec<FeatureTuple<'_>>, complete: bool) -> PyResult<Plan> {
    let plan = Plan::new(features.into_iter().map(feature_plan).collect::<PyResult<_>>()?);
    Ok(if complete { plan.complete() } else { plan })
}

fn feature_plan((key, kind, layout, size, missing, values): FeatureTuple<'_>) -> PyResult<FeaturePlan> {
    let kind = kind_named(&kind)?;
    let values = values.map(|values| default_values(kind, &values)).transpose()?;
    let (layout, on_missing, padding) = match (&layout[..], &missing[..], values) {
        ("fixed", "default", Some(values)) => (Layout::Fixed { elements: size }, OnMissing::Use(values), None),
        ("fixed", "refuse", _) => (Layout::Fixed { elements: size }, OnMissing::Refuse, None),
        ("fixed", "absent", _) => (Layout::Fixed { elements: size }, OnMissing::Absent, None),
        ("sequence", "refuse", padding) => (Layout::Sequence { stride: size.max(1) }, OnMissing::Refuse, padding),
        ("sequence", "absent", padding) => (Layout::Sequence { stride: size.max(1) }, OnMissing::Absent, padding),
        ("ragged", _, _) => (Layout::Ragged, OnMissing::Absent, None),
        _ => {
            return Err(invalid_argument(format!("unknown layout {layout} or {missing}")));
        }
    };
    Ok(FeaturePlan {
        key: key.into_bytes(),
        kind,
        layout,
        on_missing,
        padding,
    })
}

/// The kind called "bytes", "float32" or "int64".
pub fn kind_named(name: &str) -> PyResult<Kind> {
    [Kind::Bytes, Kind::Float, Kind::Int64]
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| invalid_argument(format!("unknown kind {name}")))
}

fn default_values(kind: Kind, values: &Bound<'_, PyAny>) -> PyResult<DefaultValues> {
    Ok(match kind {
        Kind::Int64 => DefaultValues::Int64(values.extract()?),
        Kind::Float => DefaultValues::Float(values.extract()?),
        Kind::Bytes => DefaultValues::Bytes(
            values
                .extract::<Vec<Bound<'_, PyBytes>>>()?
                .iter()
                .map(|value| value.as_bytes().to_vec())
                .collect(),
        ),
    })
}

/// The exception for a record that does not fit.
pub fn python_error(py: Python<'_>, error: &ExampleError) -> PyErr {
    bad_record(py, &error.to_string(), error.record, None)
}

/// The exception for a record of which the number in its batch is known, and perhaps where it begins in its file.
pub fn bad_record(py: Python<'_>, message: &str, record: usize, offset: Option<u64>) -> PyErr {
    let make = || {
        let keywords = PyDict::new(py);
        keywords.set_item("record", record)?;
        keywords.set_item("offset", offset)?;
        let class = PyModule::import(py, "recordfs.example.bad_record")?.getattr("BadRecordError")?;
        raised_by(&class, (message,), &keywords)
    };
    // Whatever goes wrong while the exception is made is raised in its place.
    make().unwrap_or_else(|failure| failure)
}

/// Asks for a large block and gives it back, once a process.
///
/// glibc returns the freed end of its heap to the system as soon as that is larger than twice the largest block it has
/// seen freed (mallopt(3), M_TRIM_THRESHOLD). A loop over batches then faults in the same pages for every batch, which
/// was measured to cost as much as the decoding. Programs that have freed one large array never meet this.
fn keep_freed_memory() {
    static DONE: std::sync::Once = std::sync::Once::new();
    DONE.call_once(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(16 << 20))));
}

/// A column's values: a buffer for numbers, a list of bytes objects otherwise.
fn values_to_python(py: Python<'_>, values: Values<'_>) -> PyResult<Py<PyAny>> {
    Ok(match values {
        Values::Int64(values) => Py::new(py, ColumnBuffer::from(values))?.into_any(),
        Values::Float(values) => Py::new(py, ColumnBuffer::from(values))?.into_any(),
        Values::Bytes(values) => PyList::new(py, values.into_iter().map(|value| PyBytes::new(py, value)))?
            .into_any()
            .unbind(),
    })
}

fn column_to_python<'py>(py: Python<'py>, column: Column<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let values = values_to_python(py, column.values)?;
    let splits = column
        .row_splits
        .map(|splits| Py::new(py, ColumnBuffer::from(splits)))
        .transpose()?;
    (values, splits, column.present.len(), column.steps).into_pyobject(py)
}

fn sequence_column_to_python<'py>(py: Python<'py>, column: SequenceColumn<'_>) -> PyResult<Bound<'py, PyTuple>> {
    let values = values_to_python(py, column.values)?;
    let step_splits = Py::new(py, ColumnBuffer::from(column.step_splits))?;
    let row_splits = Py::new(py, ColumnBuffer::from(column.row_splits))?;
    (values, step_splits, row_splits, column.steps).into_pyobject(py)
}

/// Reads Examples into columns. Safe to use from many threads.
#[pyclass(frozen, module = "recordfs._core")]
pub struct ExampleParser {
    plan: Plan,
}

#[pymethods]
impl ExampleParser {
    #[new]
    fn new(features: Vec<FeatureTuple<'_>>, complete: bool) -> PyResult<Self> {
        keep_freed_memory();
        Ok(Self {
            plan: make_plan(features, complete)?,
        })
    }

    /// The columns of a batch, in the features' order: values, row splits or None, records, and the padded
    /// number of steps.
    fn parse<'py>(&self, py: Python<'py>, records: &Bound<'py, PyAny>, threads: usize) -> PyResult<Bound<'py, PyList>> {
        self.run(py, &Records::extract(records)?, threads, false)
    }

    /// An iterator over the columns of a reader's records, `size` a batch. No feature may be padded.
    fn batches(slf: Py<Self>, reader: Py<NativeRecordReader>, size: usize) -> PyResult<ExampleBatches> {
        check_memory(slf.get().plan.fixed_bytes(size.min(MOST_RECORDS_AT_ONCE)))?;
        Ok(ExampleBatches::new(reader, slf, size))
    }

    /// The columns of one record, as `parse_single_example` reads it.
    fn parse_single<'py>(&self, py: Python<'py>, record: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        self.run(py, &Records::extract_one(record)?, 1, true)
    }
}

/// Batches below this are made without asking first whether there is memory for them.
const LARGE_BATCH: usize = 1 << 30;

/// No window of a reader holds more records.
const MOST_RECORDS_AT_ONCE: usize = WINDOW_SIZE / OVERHEAD;

/// Raises MemoryError for columns that cannot be allocated; allocating them for real would end the process.
fn check_memory(bytes: usize) -> PyResult<()> {
    if bytes < LARGE_BATCH {
        return Ok(());
    }
    Vec::<u8>::new().try_reserve_exact(bytes).map_err(|_| {
        PyMemoryError::new_err(format!(
            "the fixed features of one batch take {bytes} bytes, and so much memory is not to be had: parse fewer \
             records at once, or look at the features' shapes"
        ))
    })
}

impl ExampleParser {
    /// Which features to read.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    fn run<'py>(
        &self,
        py: Python<'py>,
        records: &Records<'py>,
        threads: usize,
        single: bool,
    ) -> PyResult<Bound<'py, PyList>> {
        let slices = records.slices();
        check_memory(self.plan.fixed_bytes(slices.len()))?;
        let columns = py
            .detach(|| parse_batch(&self.plan, &slices, threads, single))
            .map_err(|error| python_error(py, &error))?;
        let columns: Vec<_> = columns
            .into_iter()
            .map(|column| column_to_python(py, column))
            .collect::<PyResult<_>>()?;
        PyList::new(py, columns)
    }
}

/// Reads SequenceExamples into columns. Safe to use from many threads.
#[pyclass(frozen, module = "recordfs._core")]
pub struct SequenceExampleParser {
    context: Plan,
    lists: Plan,
}

#[pymethods]
impl SequenceExampleParser {
    #[new]
    fn new(context: Vec<FeatureTuple<'_>>, lists: Vec<FeatureTuple<'_>>, complete: bool) -> PyResult<Self> {
        Ok(Self {
            context: make_plan(context, complete)?,
            lists: make_plan(lists, complete)?,
        })
    }

    /// The context's columns, as `ExampleParser.parse` gives them, and the feature lists': values, step splits, row
    /// splits and the padded number of steps.
    fn parse<'py>(
        &self,
        py: Python<'py>,
        records: &Bound<'py, PyAny>,
    ) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyList>)> {
        let records = Records::extract(records)?;
        let slices = records.slices();
        let (context, lists) = py
            .detach(|| parse_sequence_batch(&self.context, &self.lists, &slices))
            .map_err(|error| python_error(py, &error))?;
        let context: Vec<_> = context
            .into_iter()
            .map(|column| column_to_python(py, column))
            .collect::<PyResult<_>>()?;
        let lists: Vec<_> = lists
            .into_iter()
            .map(|column| sequence_column_to_python(py, column))
            .collect::<PyResult<_>>()?;
        Ok((PyList::new(py, context)?, PyList::new(py, lists)?))
    }
}
