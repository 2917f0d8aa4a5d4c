//! Where a file that is followed was replaced by another: going on at the beginning of that one.

use pyo3::intern;
use pyo3::prelude::*;

use super::{Step, Stream};

use crate::python_call::call_method;

impl Stream {
    /// Opens the last source again, if its path names another file by now and the reader was told to go on with that.
    /// What was read of the old file and is no whole record is lost. None if it is not to go on.
    pub(super) fn begin_again(&mut self, py: Python<'_>, may_wait: bool) -> PyResult<Option<Step>> {
        if self.begun_again {
            // A store that calls every version replaced must not keep this busy.
            let step = self.end_or_wait(py, may_wait)?;
            if !matches!(step, Step::Again) {
                return Ok(Some(step));
            }
        }
        let again = call_method(self.sources.bind(py), intern!(py, "open_again"), ())?;
        if again.is_none() {
            return Ok(None);
        }
        if let Some((begin, fault)) = self.searching {
            self.give_up(begin, fault.to_string(), self.window.available());
        }
        self.looking_back = None;
        let rest = self.unread();
        if rest > 0 {
            self.lose(
                Some(rest),
                "the file was replaced before the rest of this record was read".to_string(),
            );
        }
        self.large = None;
        {
            let mut losses = self.progress.losses();
            losses.restarts += 1;
            losses.truncated_tail = false;
        }
        // How long nothing has come goes on counting: that another file stands there is not yet a byte of it.
        self.begun_again = true;
        self.change_to(py, &again)?;
        Ok(Some(Step::Again))
    }
}
