//! Short ways: functions that CPython calls itself, in front of methods that pyo3 has made.
//!
//! pyo3 wraps a method in a guard, a parser of arguments and a conversion of its result: tens of nanoseconds, which count
//! where a program calls by the million. A short way does what the method does in its plainest case, and without running
//! any code of Python's; it leaves all else, errors too, to the method that pyo3 has made, the general way.

use std::ffi::{CStr, CString, c_int, c_uint, c_ulong, c_void};
use std::sync::OnceLock;

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// A method that pyo3 has made, once a short way has taken its place. pyo3's classes stay where a program imports the module
/// anew, so that is done once in a process.
pub type GeneralWay = OnceLock<ffi::PyCFunctionFastWithKeywords>;

/// The function of a method that pyo3 has made, of a class that is made without arguments.
fn function_of(class: &Bound<'_, PyType>, name: &CStr) -> PyResult<ffi::PyCFunctionFastWithKeywords> {
    let method = class.call0()?.getattr(name)?;
    // SAFETY: a method of pyo3's that is bound to an object is a PyCFunction.
    let (function, found) = unsafe {
        let method = method.as_ptr();
        (ffi::PyCFunction_GetFunction(method), ffi::PyCFunction_GetFlags(method))
    };
    let Some(function) = function.filter(|_| found == ffi::METH_FASTCALL | ffi::METH_KEYWORDS) else {
        let message = format!("{} has the calling convention {found:#x}", name.to_string_lossy());
        return Err(PyRuntimeError::new_err(message));
    };
    // SAFETY: its flags say that this is its type.
    Ok(unsafe { std::mem::transmute::<ffi::PyCFunction, ffi::PyCFunctionFastWithKeywords>(function) })
}

/// The signature and the docstring of a method or a class, under this name and in the form that CPython takes apart.
fn description_of(described: &Bound<'_, PyAny>, name: &CStr) -> PyResult<CString> {
    let signature: String = described.getattr("__text_signature__")?.extract()?;
    let docstring: String = described.getattr("__doc__")?.extract()?;
    Ok(CString::new(format!(
        "{}{signature}\n--\n\n{docstring}",
        name.to_string_lossy()
    ))?)
}

/// Puts a function into a class in the place of the method of that name, whose signature and docstring it gets. `general`
/// is that method from before the function can be called.
///
/// # Safety
/// The flags are those of the function's type, and it may be called with whatever they and the class admit.
pub unsafe fn install(
    class: &Bound<'_, PyType>,
    name: &'static CStr,
    function: ffi::PyMethodDefPointer,
    flags: c_int,
    general: &GeneralWay,
) -> PyResult<()> {
    if general.get().is_some() {
        return Ok(());
    }
    let function_before = function_of(class, name)?;
    general.get_or_init(|| function_before);
    let py = class.py();
    let description = description_of(&class.getattr(name)?, name)?;
    // The class has both as long as the process lives.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: function,
        ml_flags: flags,
        ml_doc: description.into_raw(),
    }));
    // SAFETY: the definition stays where it is, and its flags are those of the function's type.
    let method = unsafe { Bound::from_owned_ptr_or_err(py, ffi::PyDescr_NewMethod(class.as_type_ptr(), definition))? };
    class.setattr(name, method)
}

/// A class with a `__next__` of its own, which is made once in a process.
pub struct WithNext {
    class: Py<PyAny>,
    /// `__next__` of its base, as pyo3 has made it.
    pub general: ffi::iternextfunc,
}

/// A class that has `next` in the place of its base's `__next__`, found in `made` from then on. `name` is the module's and
/// the class's, `flags` are those beyond the usual ones.
///
/// That function cannot be replaced in a class that is there already: the stable ABI has no way to it.
///
/// # Safety
/// `next` may be called with any object of the class.
pub unsafe fn with_next<'py>(
    made: &PyOnceLock<WithNext>,
    base: &Bound<'py, PyType>,
    name: &'static CStr,
    flags: c_ulong,
    next: ffi::iternextfunc,
) -> PyResult<Bound<'py, PyAny>> {
    let py = base.py();
    // SAFETY: as promised to this function.
    let made = made.get_or_try_init(py, || unsafe { make_with_next(base, name, flags, next) })?;
    Ok(made.class.bind(py).clone())
}

/// # Safety
/// As [`with_next`].
unsafe fn make_with_next(
    base: &Bound<'_, PyType>,
    name: &'static CStr,
    flags: c_ulong,
    next: ffi::iternextfunc,
) -> PyResult<WithNext> {
    // SAFETY: what is in this slot of a class is null or such a function.
    let general = unsafe {
        let function = ffi::PyType_GetSlot(base.as_type_ptr(), ffi::Py_tp_iternext);
        std::mem::transmute::<*mut c_void, Option<ffi::iternextfunc>>(function)
    };
    let general = general.ok_or_else(|| PyRuntimeError::new_err("the base of an iterator has no __next__"))?;
    let after_dot = name
        .to_bytes()
        .iter()
        .rposition(|&byte| byte == b'.')
        .map_or(0, |dot| dot + 1);
    let description = description_of(base, &name[after_dot..])?;
    let mut slots = [
        ffi::PyType_Slot {
            slot: ffi::Py_tp_doc,
            pfunc: description.as_ptr().cast_mut().cast(),
        },
        ffi::PyType_Slot {
            slot: ffi::Py_tp_iternext,
            pfunc: next as *mut c_void,
        },
        ffi::PyType_Slot::default(),
    ];
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        // As large as those of the base.
        basicsize: 0,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | flags) as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the slots hold what they are for, end with an empty one, and are copied, the description too.
    let class = unsafe {
        Bound::from_owned_ptr_or_err(base.py(), ffi::PyType_FromSpecWithBases(&raw mut spec, base.as_ptr()))?
    };
    Ok(WithNext {
        class: class.unbind(),
        general,
    })
}
