//! Where the bytes of the window come from: reads of the source, by this thread or ahead by another.

use pyo3::intern;
use pyo3::prelude::*;

use super::Stream;
use crate::python_call::call_method;
use crate::source::ReadError;
use crate::window::WINDOW_SIZE;

impl Stream {
    /// From now on reads large local files by another thread while what came before is looked at. A follower does not: it
    /// wants what is there when it looks.
    pub fn read_ahead(&mut self) {
        self.reads_ahead = !self.options.follow;
    }

    /// Reads until the window holds `size` bytes, but not much more than `ahead`. Returns false if there are no more
    /// bytes now.
    pub(super) fn fill(&mut self, py: Python<'_>, size: usize, ahead: usize) -> PyResult<bool> {
        while self.window.available() < size {
            let count = match self.take_ahead(py, ahead)? {
                Some(count) => count,
                None => self.read(py, size, size.max(ahead) - self.window.available())?,
            };
            if count == 0 {
                return Ok(false);
            }
            self.grew();
        }
        Ok(true)
    }

    /// Takes what was read ahead into the window, if whole windows are wanted. None if it has to be read.
    fn take_ahead(&mut self, py: Python<'_>, ahead: usize) -> PyResult<Option<usize>> {
        let Some(source) = &mut self.current else {
            return Ok(None);
        };
        if !self.reads_ahead || ahead < WINDOW_SIZE {
            return Ok(None);
        }
        let sources = self.sources.bind(py);
        source.take_ahead(py, &mut self.window, |file| {
            call_method(sources, intern!(py, "descriptor_of"), (file,))?.extract()
        })
    }

    /// Reads up to `limit` bytes into a window that can hold `size`.
    fn read(&mut self, py: Python<'_>, size: usize, limit: usize) -> PyResult<usize> {
        let Some(source) = &mut self.current else {
            return Ok(0);
        };
        let damage = &mut self.damage;
        self.window
            .fill_with(size, limit, |place| match source.read(py, place) {
                Ok(count) => Ok(count),
                Err(ReadError::Raised(error)) => Err(error),
                Err(ReadError::Damaged(error)) => {
                    *damage = Some(error);
                    Ok(0)
                }
            })
    }

    /// There were new bytes.
    pub(super) fn grew(&mut self) {
        self.waiting = None;
        self.begun_again = false;
        self.progress.losses().truncated_tail = false;
    }
}
