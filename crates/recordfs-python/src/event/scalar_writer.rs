//! `NativeScalarWriter`: the base of SummaryWriter, with the method that is called by the million, `add_scalar`.
//!
//! A training loop calls it after a pause, when code and data have left the processor's caches. What such a call costs is
//! not its instructions but how many lines of memory and how many pages it touches, each of which has to be fetched. So the
//! call has two ways. The short one, [`add_simple`], takes a plain number of a tag that was logged before: it is one function,
//! called by the interpreter itself, that touches the writer, one line for the tag, and the end of the queue's chunk. All else
//! goes the general way, which pyo3 has made of `add_scalar` below.

use std::ffi::c_int;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString, PyTuple};
use pyo3::{ffi, intern};
use recordfs_core::event as core;
use recordfs_core::event::Pushed;

use super::queue::{EventQueue, invalid};
use crate::process::ProcessMark;
use crate::python_call::{call, call_method, float_of, whole_number_of};
use crate::short_way::{self, GeneralWay};

/// Adds this module's names to `recordfs._core`.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<NativeScalarWriter>()?;
    install_short_way(module.py())
}

/// How many tags a writer keeps ready, each in 64 bytes.
const KEPT_TAGS: usize = 256;

/// The base of SummaryWriter: its ``add_scalar``.
#[pyclass(frozen, subclass, module = "recordfs._core")]
pub struct NativeScalarWriter {
    /// None while there is none: `_queue_to_use` then gives a queue. The lock is held only with the GIL held, and never
    /// while Python's code runs.
    target: Mutex<Option<Target>>,
}

/// Where a writer's scalars go.
struct Target {
    queue: Arc<core::EventQueue>,
    process: ProcessMark,
    /// Tags that were added to this queue as scalars', each in the place that its address gives.
    tags: Box<[KeptTag]>,
    owner: Py<EventQueue>,
}

/// A tag in one line of the processor's cache.
#[derive(Default)]
#[repr(C, align(64))]
struct KeptTag(Option<(Py<PyString>, core::ScalarTag)>);

const _: () = assert!(size_of::<KeptTag>() == 64);

impl Target {
    fn new(py: Python<'_>, owner: &Py<EventQueue>) -> Self {
        let queue = owner.get();
        Self {
            queue: Arc::clone(queue.inner()),
            process: queue.process(),
            tags: (0..KEPT_TAGS).map(|_| KeptTag::default()).collect(),
            owner: owner.clone_ref(py),
        }
    }
}

/// The place of a tag among those that are kept.
#[inline]
fn place_of(tag: *mut ffi::PyObject) -> usize {
    // Python aligns its objects to 16 bytes, and strs of neighbouring literals are 64 bytes apart or so.
    let address = tag as usize >> 4;
    (address ^ address >> 8) % KEPT_TAGS
}

impl NativeScalarWriter {
    /// Nothing under this lock panics, so a poisoned lock is sound all the same.
    fn target(&self) -> MutexGuard<'_, Option<Target>> {
        self.target.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue, if it is one of this process.
    fn current(&self, py: Python<'_>) -> Option<Py<EventQueue>> {
        let target = self.target();
        let target = target.as_ref()?;
        target.process.is_current().then(|| target.owner.clone_ref(py))
    }

    /// Keeps a tag that was added to a queue as a scalar's, for the short way.
    fn keep(&self, tag: &Bound<'_, PyString>, name: &str, queue: &EventQueue) {
        // A subclass of str may have a `__del__`, which would be put off.
        let (true, Some(kept)) = (tag.is_exact_instance_of::<PyString>(), core::ScalarTag::new(name)) else {
            return;
        };
        let mut kept = KeptTag(Some((tag.clone().unbind(), kept)));
        if let Some(target) = &mut *self.target()
            && Arc::ptr_eq(&target.queue, queue.inner())
        {
            std::mem::swap(&mut target.tags[place_of(tag.as_ptr())], &mut kept);
        }
    }
}

/// Seconds since 1970, negative before.
///
/// `SystemTime` would do, in functions and constants that lie elsewhere and that nothing else here has fetched.
#[inline]
fn now() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is there to be written; this clock is on every system, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn number_of(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    if let Ok(number) = value.cast_exact::<PyFloat>() {
        return Ok(number.value());
    }
    let py = value.py();
    let failure = match float_of(value) {
        Err(failure) if failure.is_instance_of::<PyException>(py) => failure,
        number => return number,
    };
    // Arrays and tensors of one element, whatever their shape.
    match call_method(value, intern!(py, "item"), ()) {
        Ok(item) => float_of(&item),
        Err(interrupt) if !interrupt.is_instance_of::<PyException>(py) => Err(interrupt),
        Err(_) => Err(failure),
    }
}

/// The number of a step: an integer, or what `int` makes one of.
fn step_of(step: &Bound<'_, PyAny>) -> PyResult<i64> {
    let py = step.py();
    let number = match whole_number_of(step) {
        Err(failure) if failure.is_instance_of::<PyException>(py) => {
            call(&py.import("builtins")?.getattr("int")?, (step,))?
        }
        number => number?,
    };
    number
        .extract()
        .map_err(|_| invalid(py, "a step has to be an integer of 64 bits, found one that needs more"))
}

#[pymethods]
impl NativeScalarWriter {
    #[new]
    #[pyo3(signature = (*_arguments, **_keywords))]
    fn new(_arguments: &Bound<'_, PyTuple>, _keywords: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            target: Mutex::default(),
        }
    }

    /// The queue that `add_scalar` adds to; None while there is none.
    fn _set_queue(&self, py: Python<'_>, queue: Option<Py<EventQueue>>) {
        let target = queue.map(|queue| Target::new(py, &queue));
        let former = std::mem::replace(&mut *self.target(), target);
        drop(former);
    }

    /// Log one number. It takes well under a microsecond and waits for nothing: see EventFileWriter for when the queue
    /// is full.
    ///
    /// Args:
    ///     tag: What it is a value of.
    ///     scalar_value: A number, or an array or tensor of one element. Stored with 32 bits.
    ///     global_step: The training step.
    ///     walltime: Seconds since 1970; now, if None.
    ///     new_style: Store it as a tensor, as TensorFlow 2 does.
    ///     double_precision: Store it as a tensor of 64 bits. TensorBoard's fast mode does not show those: it warns.
    ///     display_name: The tag's name for people.
    ///     summary_description: A description, in Markdown.
    ///
    /// Raises:
    ///     InvalidArgumentError: The tag has values of another kind, the step needs more than 64 bits, or the time is NaN
    ///         or infinite.
    ///     TypeError: The value or the step is not a number.
    #[pyo3(signature = (tag, scalar_value, global_step = None, walltime = None, new_style = false, double_precision = false, display_name = "", summary_description = ""))]
    #[expect(clippy::too_many_arguments, reason = "the arguments of torch and of tensorboardX")]
    fn add_scalar(
        slf: &Bound<'_, Self>,
        tag: &Bound<'_, PyString>,
        scalar_value: &Bound<'_, PyAny>,
        global_step: Option<&Bound<'_, PyAny>>,
        walltime: Option<f64>,
        new_style: bool,
        double_precision: bool,
        display_name: &str,
        summary_description: &str,
    ) -> PyResult<()> {
        let py = slf.py();
        let name: &str = tag.extract()?;
        let value = number_of(scalar_value)?;
        let step = global_step.map_or(Ok(0), step_of)?;
        let wall_time = walltime.unwrap_or_else(now);
        if new_style || double_precision || !display_name.is_empty() || !summary_description.is_empty() {
            let arguments = (
                tag,
                value,
                step,
                wall_time,
                new_style,
                double_precision,
                display_name,
                summary_description,
            );
            call_method(slf, intern!(py, "_add_described_scalar"), arguments)?;
            return Ok(());
        }
        let mut queue = slf.get().current(py);
        loop {
            if let Some(queue) = queue {
                let pushed = queue.get().add_scalar_to(py, name, value as f32, step, wall_time)?;
                if pushed == Pushed::Added {
                    slf.get().keep(tag, name, queue.get());
                }
                if pushed != Pushed::Closed {
                    return Ok(());
                }
            }
            // There is none yet, or it was closed, maybe by another thread or a signal: this one is open.
            queue = call_method(slf, intern!(py, "_queue_to_use"), ())?.extract()?;
            if queue.is_none() {
                return Ok(());
            }
        }
    }
}

/// The arguments that the short way takes, in the order of `add_scalar`.
const SHORT_ARGUMENTS: [&str; 4] = ["tag", "scalar_value", "global_step", "walltime"];

/// `add_scalar` as pyo3 has made it.
static GENERAL_ADD_SCALAR: GeneralWay = GeneralWay::new();

/// The names of the arguments as Python's compiler has them: interned.
static NAMES: OnceLock<[Py<PyString>; SHORT_ARGUMENTS.len()]> = OnceLock::new();

/// Puts [`add_scalar`] into the class, in the place of the method that pyo3 has made and that it calls for all else.
fn install_short_way(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<NativeScalarWriter>();
    NAMES.get_or_init(|| SHORT_ARGUMENTS.map(|name| PyString::intern(py, name).unbind()));
    let flags = ffi::METH_FASTCALL | ffi::METH_KEYWORDS;
    let function = ffi::PyMethodDefPointer {
        PyCFunctionFastWithKeywords: add_scalar,
    };
    // SAFETY: the flags are those of the function's type.
    unsafe { short_way::install(&class, c"add_scalar", function, flags, &GENERAL_ADD_SCALAR) }
}

/// What Python calls: it takes the short way if that is open, else the general one.
///
/// # Safety
/// As `PyCFunctionFastWithKeywords` is called by CPython, with a `NativeScalarWriter` as `slf`: the descriptor that the
/// function is called through has checked that.
unsafe extern "C" fn add_scalar(
    slf: *mut ffi::PyObject,
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as promised to this function.
    unsafe {
        let simple = simple_arguments(arguments, count, keywords);
        if simple.is_some_and(|simple| add_simple(slf, simple)) {
            let none = ffi::Py_None();
            ffi::Py_INCREF(none);
            return none;
        }
        match GENERAL_ADD_SCALAR.get() {
            Some(general) => general(slf, arguments, count, keywords),
            None => unreachable!("it is set before the class gets this method"),
        }
    }
}

/// The arguments of the short way, null where one is not given; None if there are others, or the call is wrong.
///
/// # Safety
/// As [`add_scalar`].
#[inline(always)]
unsafe fn simple_arguments(
    arguments: *const *mut ffi::PyObject,
    count: ffi::Py_ssize_t,
    keywords: *mut ffi::PyObject,
) -> Option<[*mut ffi::PyObject; SHORT_ARGUMENTS.len()]> {
    let count = count as usize;
    let positional = |place: usize| {
        if place >= count {
            return ptr::null_mut();
        }
        // SAFETY: there are `count` arguments.
        unsafe { *arguments.add(place) }
    };
    let mut found = [positional(0), positional(1), positional(2), positional(3)];
    if count > found.len() {
        return None;
    }
    if !keywords.is_null() {
        // SAFETY: `keywords` is a tuple, and after the positional arguments there is one for each name in it.
        unsafe { add_keywords(&mut found, arguments.add(count), keywords)? };
    }
    (!found[0].is_null() && !found[1].is_null()).then_some(found)
}

/// Puts the arguments that are given by name into their places; None if one has no place here, or is given twice.
///
/// # Safety
/// `keywords` is a tuple, and there is an argument for each name in it.
unsafe fn add_keywords(
    found: &mut [*mut ffi::PyObject; SHORT_ARGUMENTS.len()],
    arguments: *const *mut ffi::PyObject,
    keywords: *mut ffi::PyObject,
) -> Option<()> {
    let names = NAMES.get()?;
    // SAFETY: as promised to this function.
    unsafe {
        for place in 0..ffi::PyTuple_Size(keywords) {
            let name = ffi::PyTuple_GetItem(keywords, place);
            // One that is not interned is none of these: the general way compares letters.
            let at = names.iter().position(|known| known.as_ptr() == name)?;
            if !found[at].is_null() {
                return None;
            }
            found[at] = *arguments.add(place as usize);
        }
    }
    Some(())
}

/// Adds a scalar to the queue without running any code of Python's; false, with nothing done, where that cannot be.
///
/// # Safety
/// As [`add_scalar`]; the first two arguments are given.
#[inline(always)]
unsafe fn add_simple(slf: *mut ffi::PyObject, arguments: [*mut ffi::PyObject; SHORT_ARGUMENTS.len()]) -> bool {
    let [tag, value, step, wall_time] = arguments;
    // SAFETY: CPython calls with the GIL held, the class is checked, and the arguments live as long as the call. The
    // functions of CPython's are given objects of the types that they read the numbers of and call nothing for.
    unsafe {
        let none = ffi::Py_None();
        if ffi::PyFloat_Check(value) == 0 {
            return false;
        }
        let value = ffi::PyFloat_AsDouble(value);
        let mut overflow: c_int = 0;
        let step = match step {
            step if step.is_null() || step == none => 0,
            step if ffi::PyLong_CheckExact(step) != 0 => ffi::PyLong_AsLongLongAndOverflow(step, &raw mut overflow),
            _ => return false,
        };
        if overflow != 0 {
            return false;
        }
        let wall_time = match wall_time {
            time if time.is_null() || time == none => now(),
            time if ffi::PyFloat_Check(time) != 0 => ffi::PyFloat_AsDouble(time),
            _ => return false,
        };
        let py = Python::assume_attached();
        let writer = Bound::ref_from_ptr(py, &slf).cast_unchecked::<NativeScalarWriter>();
        let Ok(target) = writer.get().target.try_lock() else {
            return false;
        };
        let Some(target) = &*target else { return false };
        let Some((kept, scalar)) = &target.tags[place_of(tag)].0 else {
            return false;
        };
        kept.as_ptr() == tag
            && target.process.is_current()
            && target.queue.push_scalar_of(scalar, wall_time, step, value as f32)
    }
}
