//! Records that are read straight into their bytes object; see `crate::large`.

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use recordfs_core::record::{FOOTER_SIZE, HEADER_SIZE, OVERHEAD, encode_header};

use super::{Form, OnError, Step, Stream};
use crate::large::LargeRecord;
use crate::source::ReadError;

impl Stream {
    pub(super) fn begin_large(&mut self, py: Python<'_>, size: u64) -> PyResult<Step> {
        let length = size - OVERHEAD as u64;
        // What is known to be in the file can be allocated at once; what a header claims is believed piece by piece.
        let is_there = match &mut self.current {
            Some(source) if !self.options.follow => source.reaches(py, self.offset + size)? == Some(true),
            _ => false,
        };
        let mut large = LargeRecord::new(py, length, is_there)?;
        let payload = &self.window.bytes()[HEADER_SIZE..];
        let count = payload.len().min(large.missing());
        large.take(py, &payload[..count], &self.options.decode)?;
        self.window.consume(HEADER_SIZE + count);
        self.large = Some(large);
        Ok(Step::Again)
    }

    /// Reads on in the large record. None if there are no more bytes now, or if it is broken and was dealt with.
    pub(super) fn read_large<'py>(&mut self, py: Python<'py>, form: Form) -> PyResult<Option<Bound<'py, PyBytes>>> {
        while let (Some(large), Some(source)) = (&mut self.large, &mut self.current) {
            if large.missing() == 0 {
                break;
            }
            match large.read_from(py, source, &self.options.decode) {
                Ok(0) => return Ok(None),
                Ok(_) => self.grew(),
                Err(ReadError::Raised(error)) => return Err(error),
                Err(ReadError::Damaged(damage)) => {
                    self.damage = Some(damage);
                    return Ok(None);
                }
            }
        }
        // With the footer comes the next header, in the same read.
        if !self.fill(py, FOOTER_SIZE, FOOTER_SIZE + HEADER_SIZE)? {
            return Ok(None);
        }
        let (Some(large), Some(footer)) = (self.large.take(), self.window.bytes().first_chunk::<FOOTER_SIZE>()) else {
            return Ok(None);
        };
        let size = large.length() + OVERHEAD as u64;
        if let Err(fault) = large.check(&self.options.decode, *footer) {
            if self.options.on_error == OnError::Skip {
                self.put_back(py, &large);
            }
            self.broken(py, fault)?;
            return Ok(None);
        }
        let payload = large.length();
        self.window.consume(FOOTER_SIZE);
        self.offset += size;
        self.after_large = true;
        self.count(form, payload);
        Ok(Some(large.into_bytes(py)))
    }

    /// Puts what there is of a large record to the front of the window again.
    pub(super) fn put_back(&mut self, py: Python<'_>, large: &LargeRecord) {
        self.window.put_back(&encode_header(large.length()), large.present(py));
    }
}
