//! `ExampleBatches`: columns from record files, parsed where the records lie in the reader's window. No record becomes a
//! Python object on the way, and none is copied as a whole.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use recordfs_core::example::{ExampleError, Grown, Kind, Layout, Plan, Values, parse_more};

use super::parser::{ExampleParser, bad_record};
use crate::column_buffer::ColumnBuffer;
use crate::error::{is_data_loss, raised_by_next};
use crate::lock::Guarded;
use crate::reader::NativeRecordReader;
use crate::stream::{Form, Next, Stream};

/// Values of one column as far as they have been read; bytes are Python's already, because the records go away.
enum Gathered {
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Bytes(Vec<Py<PyBytes>>),
}

/// One column of the batch that is being made.
struct Growing {
    values: Gathered,
    /// For columns that are not fixed.
    row_splits: Option<Vec<i64>>,
}

impl Growing {
    fn new(kind: Kind, layout: Layout, rows: usize) -> Self {
        let capacity = match layout {
            Layout::Fixed { elements } => elements.saturating_mul(rows).min(1 << 20),
            _ => 0,
        };
        Self {
            values: match kind {
                Kind::Int64 => Gathered::Int64(Vec::with_capacity(capacity)),
                Kind::Float => Gathered::Float(Vec::with_capacity(capacity)),
                Kind::Bytes => Gathered::Bytes(Vec::with_capacity(capacity)),
            },
            row_splits: (!matches!(layout, Layout::Fixed { .. })).then(|| vec![0]),
        }
    }

    /// Gives the values away, to be added to. Bytes stay: those to come are not Python's yet.
    fn lend<'a>(&mut self) -> Values<'a> {
        match &mut self.values {
            Gathered::Int64(values) => Values::Int64(std::mem::take(values)),
            Gathered::Float(values) => Values::Float(std::mem::take(values)),
            Gathered::Bytes(_) => Values::Bytes(Vec::new()),
        }
    }

    /// Takes back what was lent, with what was added to it.
    fn take(&mut self, py: Python<'_>, (values, lengths): Grown<'_>) {
        if let Some(splits) = &mut self.row_splits {
            let mut end = splits[splits.len() - 1];
            splits.extend(lengths.into_iter().map(|length| {
                end += length as i64;
                end
            }));
        }
        match (&mut self.values, values) {
            (Gathered::Int64(all), Values::Int64(more)) => *all = more,
            (Gathered::Float(all), Values::Float(more)) => *all = more,
            (Gathered::Bytes(all), Values::Bytes(more)) => {
                all.extend(more.into_iter().map(|value| PyBytes::new(py, value).unbind()));
            }
            _ => unreachable!("a column has the kind of its feature"),
        }
    }

    fn into_python(self, py: Python<'_>, rows: usize) -> PyResult<NativeColumn> {
        let values = match self.values {
            Gathered::Int64(values) => Py::new(py, ColumnBuffer::from(values))?.into_any(),
            Gathered::Float(values) => Py::new(py, ColumnBuffer::from(values))?.into_any(),
            Gathered::Bytes(values) => PyList::new(py, values)?.into_any().unbind(),
        };
        let splits = self
            .row_splits
            .map(|splits| Py::new(py, ColumnBuffer::from(splits)))
            .transpose()?;
        Ok((values, splits, rows, 0))
    }
}

/// Values, row splits, records, and the padded number of steps, which no column here has.
type NativeColumn = (Py<PyAny>, Option<Py<ColumnBuffer>>, usize, usize);

/// The batch that is being made. It outlives an error of the file, so that no record before it is lost.
struct Batch {
    columns: Vec<Growing>,
    rows: usize,
    /// What comes after this batch.
    error: Option<PyErr>,
}

impl Batch {
    fn new(plan: &Plan, size: usize) -> Self {
        let columns = plan.features().iter();
        Self {
            columns: columns
                .map(|feature| Growing::new(feature.kind, feature.layout, size))
                .collect(),
            rows: 0,
            error: None,
        }
    }

    /// Parses records and adds their values. Where it fails the batch is lost.
    ///
    /// The columns' bytes are those of `records`, so they are made Python's before it returns.
    fn add(&mut self, plan: &Plan, records: &[&[u8]]) -> Result<(), ExampleError> {
        let columns = self.columns.iter_mut().map(Growing::lend).collect();
        let grown = parse_more(plan, records, columns)?;
        Python::attach(|py| {
            for (column, values) in self.columns.iter_mut().zip(grown) {
                column.take(py, values);
            }
        });
        self.rows += records.len();
        Ok(())
    }
}

/// A record that does not fit, and where it begins.
struct Misfit {
    error: ExampleError,
    offset: u64,
}

/// Iterates over `(number of records, columns as ExampleParser.parse gives them)` of the records of a reader. No feature
/// may be padded. A record that does not fit ends its batch: the error has its number in the batch and its offset.
#[pyclass(frozen, module = "recordfs._core")]
pub struct ExampleBatches {
    reader: Py<NativeRecordReader>,
    parser: Py<ExampleParser>,
    size: usize,
    batch: Guarded<Batch>,
}

impl ExampleBatches {
    pub fn new(reader: Py<NativeRecordReader>, parser: Py<ExampleParser>, size: usize) -> Self {
        let batch = Batch::new(parser.get().plan(), size);
        Self {
            reader,
            parser,
            size,
            batch: Guarded::new(batch),
        }
    }

    /// Adds the records that lie in the window as a whole; false if the next one does not.
    fn add_window(&self, py: Python<'_>, stream: &mut Stream, batch: &mut Batch) -> PyResult<bool> {
        let plan = self.parser.get().plan();
        let rows = batch.rows;
        let added = stream.take_window(py, self.size - rows, |records, first| {
            batch.add(plan, records).map_err(|error| Misfit {
                offset: first + sizes_of(&records[..error.record]),
                error,
            })
        });
        match added {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(misfit)) => Err(self.refuse(py, stream, batch, rows, misfit)),
        }
    }

    fn add_one(&self, py: Python<'_>, stream: &mut Stream, batch: &mut Batch, record: &[u8]) -> PyResult<()> {
        let rows = batch.rows;
        batch.add(self.parser.get().plan(), &[record]).map_err(|error| {
            let offset = stream.offset() - sizes_of(&[record]);
            self.refuse(py, stream, batch, rows, Misfit { error, offset })
        })
    }

    /// Gives the batch up and says which of its records does not fit.
    fn refuse(
        &self,
        py: Python<'_>,
        stream: &mut Stream,
        batch: &mut Batch,
        rows: usize,
        Misfit { mut error, offset }: Misfit,
    ) -> PyErr {
        *batch = Batch::new(self.parser.get().plan(), self.size);
        stream.hand_out();
        error.record += rows;
        bad_record(py, &error.to_string(), error.record, Some(offset))
    }
}

/// How many bytes records take in a file.
fn sizes_of(records: &[&[u8]]) -> u64 {
    records
        .iter()
        .map(|record| (record.len() + recordfs_core::record::OVERHEAD) as u64)
        .sum()
}

#[pymethods]
impl ExampleBatches {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<(usize, Vec<NativeColumn>)>> {
        let mut batch = self.batch.lock(py)?;
        if let Some(error) = batch.error.take() {
            return Err(error);
        }
        let mut stream = self.reader.get().lock(py)?;
        stream.read_ahead();
        stream.gather();
        while batch.rows < self.size {
            if self.add_window(py, &mut stream, &mut batch)? {
                continue;
            }
            // Records that are there are not kept back while a follower waits for more.
            match stream.next(py, Form::Bytes, batch.rows == 0) {
                Ok(Next::Record(record)) => {
                    let record = record.cast_into::<PyBytes>()?;
                    self.add_one(py, &mut stream, &mut batch, record.as_bytes())?;
                }
                Ok(Next::WouldWait | Next::End) => break,
                Err(error) if batch.rows > 0 && is_data_loss(py, &error) => {
                    batch.error = Some(error);
                    break;
                }
                Err(error) => return Err(raised_by_next(py, error)),
            }
        }
        if batch.rows == 0 {
            stream.hand_out();
            return Ok(None);
        }
        let next = Batch {
            error: batch.error.take(),
            ..Batch::new(self.parser.get().plan(), self.size)
        };
        let Batch { columns, rows, .. } = std::mem::replace(&mut *batch, next);
        let columns = columns
            .into_iter()
            .map(|column| column.into_python(py, rows))
            .collect::<PyResult<_>>()?;
        stream.hand_out();
        Ok(Some((rows, columns)))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // The parser and what is held back lead to nothing that could lead back.
        visit.call(&self.reader)
    }
}
