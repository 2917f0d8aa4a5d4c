//! The functions of TensorFlow's C interface that hosted plugins call: threads, time, temporary names, and the log.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::status;

/// `TF_ThreadOptions`; zero leaves a size to the system.
#[repr(C)]
pub struct ThreadOptions {
    stack_size: usize,
    guard_size: usize,
    numa_node: c_int,
}

/// `TF_DefaultThreadOptions`.
///
/// # Safety
/// `options` leads to room for them.
unsafe extern "C" fn default_thread_options(options: *mut ThreadOptions) {
    const ANY_NUMA_NODE: c_int = -1;
    // SAFETY: as promised to this function.
    unsafe {
        options.write(ThreadOptions {
            stack_size: 0,
            guard_size: 0,
            numa_node: ANY_NUMA_NODE,
        });
    }
}

/// A function and its argument, which the plugin says may run in another thread.
struct Work(unsafe extern "C" fn(*mut c_void), *mut c_void);

// SAFETY: that it may is what a call of `start_thread` says.
unsafe impl Send for Work {}

impl Work {
    fn run(self) {
        // SAFETY: as promised to `start_thread`.
        unsafe { self.0(self.1) }
    }
}

/// `TF_StartThread`. A plugin has no way to hear that there can be no thread, so the process ends then, as in TensorFlow.
///
/// # Safety
/// `options` and `name` are null or valid; `function` may be called once with `argument` in another thread.
unsafe extern "C" fn start_thread(
    options: *const ThreadOptions,
    name: *const c_char,
    function: unsafe extern "C" fn(*mut c_void),
    argument: *mut c_void,
) -> *mut JoinHandle<()> {
    let mut builder = std::thread::Builder::new();
    // SAFETY: as promised to this function.
    let (stack_size, name) = unsafe {
        (
            options.as_ref().map_or(0, |options| options.stack_size),
            (!name.is_null()).then(|| CStr::from_ptr(name).to_string_lossy().into_owned()),
        )
    };
    if stack_size > 0 {
        builder = builder.stack_size(stack_size);
    }
    if let Some(name) = name {
        builder = builder.name(name);
    }
    let work = Work(function, argument);
    match builder.spawn(move || work.run()) {
        Ok(thread) => Box::into_raw(Box::new(thread)),
        Err(error) => {
            eprintln!("recordfs: a filesystem plugin needs a thread and cannot have one: {error}");
            std::process::abort();
        }
    }
}

/// `TF_JoinThread`.
///
/// # Safety
/// `thread` comes from `start_thread` and is used no more.
unsafe extern "C" fn join_thread(thread: *mut JoinHandle<()>) {
    // SAFETY: as promised to this function.
    let thread = unsafe { Box::from_raw(thread) };
    // The thread ran foreign code only, which cannot panic.
    let _ = thread.join();
}

fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// `TF_NowNanos`.
extern "C" fn now_nanos() -> u64 {
    u64::try_from(since_epoch().as_nanos()).unwrap_or(u64::MAX)
}

/// `TF_NowMicros`.
extern "C" fn now_micros() -> u64 {
    u64::try_from(since_epoch().as_micros()).unwrap_or(u64::MAX)
}

/// `TF_NowSeconds`.
extern "C" fn now_seconds() -> u64 {
    since_epoch().as_secs()
}

/// `TF_GetTempFileName`: makes an empty file and returns its name, which the caller frees; null if none can be made.
///
/// # Safety
/// `extension` is null or a string that ends with a zero.
unsafe extern "C" fn get_temp_file_name(extension: *const c_char) -> *mut c_char {
    let extension = if extension.is_null() {
        c""
    } else {
        // SAFETY: as promised to this function.
        unsafe { CStr::from_ptr(extension) }
    };
    let mut template = std::env::temp_dir().into_os_string().into_encoded_bytes();
    template.extend_from_slice(b"/recordfs-plugin-XXXXXX");
    if !extension.is_empty() {
        template.push(b'.');
        template.extend_from_slice(extension.to_bytes());
    }
    let suffix_length = if extension.is_empty() {
        0
    } else {
        extension.count_bytes() + 1
    };
    let Ok(template) = CString::new(template) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the string ends with a zero; `strdup` copies it for the caller, who frees it with `free`.
    unsafe {
        let name = libc::strdup(template.as_ptr());
        if name.is_null() {
            return name;
        }
        let file = libc::mkstemps(name, suffix_length as c_int);
        if file < 0 {
            libc::free(name.cast());
            return std::ptr::null_mut();
        }
        libc::close(file);
        name
    }
}

unsafe extern "C" {
    fn recordfs_plugin_log(level: c_int, format: *const c_char, ...);
    fn recordfs_plugin_verbose_log(level: c_int, format: *const c_char, ...);
}

/// The address of the function that a plugin imports by this name, if it is served.
pub fn address_of(name: &str) -> Option<usize> {
    Some(match name {
        "TF_NewStatus" => status::new_status as *const () as usize,
        "TF_DeleteStatus" => status::delete_status as *const () as usize,
        "TF_SetStatus" => status::set_status as *const () as usize,
        "TF_GetCode" => status::get_code as *const () as usize,
        "TF_Message" => status::message as *const () as usize,
        "TF_SetPayload" => status::set_payload as *const () as usize,
        "TF_ForEachPayload" => status::for_each_payload as *const () as usize,
        "TF_SetStatusFromIOError" => status::set_status_from_io_error as *const () as usize,
        "TF_DefaultThreadOptions" => default_thread_options as *const () as usize,
        "TF_StartThread" => start_thread as *const () as usize,
        "TF_JoinThread" => join_thread as *const () as usize,
        "TF_NowNanos" => now_nanos as *const () as usize,
        "TF_NowMicros" => now_micros as *const () as usize,
        "TF_NowSeconds" => now_seconds as *const () as usize,
        "TF_GetTempFileName" => get_temp_file_name as *const () as usize,
        "TF_Log" => recordfs_plugin_log as *const () as usize,
        "TF_VLog" | "TF_DVLog" => recordfs_plugin_verbose_log as *const () as usize,
        _ => return None,
    })
}
