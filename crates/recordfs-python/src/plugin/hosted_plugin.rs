//! `Plugin`: the filesystem that a hosted plugin has initialized, and what it makes of paths.

use std::ffi::{CStr, CString, c_char, c_void};

use super::abi::{FileStatistics, Handle, code};
use super::library::Tables;
use super::status::{Outcome, broke, with_status};

/// The plugin's filesystem, which lives as long as something of it is open.
pub struct Plugin {
    pub tables: Tables,
    pub handle: Handle,
}

// SAFETY: the interface asks of plugins that every operation may be called from any thread.
unsafe impl Send for Plugin {}
// SAFETY: as above.
unsafe impl Sync for Plugin {}

impl Drop for Plugin {
    fn drop(&mut self) {
        if let Some(cleanup) = self.tables.filesystem.cleanup {
            // SAFETY: nothing of the filesystem is in use any more.
            unsafe { cleanup(&mut self.handle) };
        }
    }
}

/// Text from a plugin, which need not be UTF-8: names are taken as Python takes those of the local filesystem.
pub type Text = Vec<u8>;

impl Plugin {
    /// A copy of a string that the plugin allocated, which is freed.
    pub fn take_text(&self, text: *mut c_char) -> Option<Text> {
        if text.is_null() {
            return None;
        }
        // SAFETY: strings of the plugin end with a zero; the host frees them with the plugin's function.
        unsafe {
            let copy = CStr::from_ptr(text).to_bytes().to_vec();
            (self.tables.free)(text.cast::<c_void>());
            Some(copy)
        }
    }

    /// The path that the operations get for a full one.
    pub fn translate(&self, path: &CStr) -> Option<CString> {
        let Some(translate_name) = self.tables.filesystem.translate_name else {
            return Some(default_translation(path));
        };
        // SAFETY: the filesystem is initialized, and the string ends with a zero.
        let text = unsafe { translate_name(&self.handle, path.as_ptr()) };
        CString::new(self.take_text(text)?).ok()
    }

    /// How many bytes the plugin says that the file of a full path has; None if it cannot say, or has no such file now.
    pub fn length_of(&self, path: &CStr) -> Outcome<Option<u64>> {
        let Some(translated) = self.translate(path) else {
            return Err(broke("translate_name returned no name"));
        };
        let (name, table) = (translated.as_ptr(), &self.tables.filesystem);
        let length = match (table.stat, table.get_file_size) {
            (Some(stat), _) => {
                let mut found = FileStatistics::default();
                // SAFETY: the filesystem is initialized, and the string ends with a zero.
                with_status(|status| unsafe { stat(&self.handle, name, &mut found, status) }).map(|()| found.length)
            }
            // SAFETY: as above.
            (None, Some(size)) => with_status(|status| unsafe { size(&self.handle, name, status) }),
            (None, None) => return Ok(None),
        };
        match length {
            Ok(length) => Ok(u64::try_from(length).ok()),
            Err((code::NOT_FOUND | code::UNIMPLEMENTED, _)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What TensorFlow makes of a path for plugins that have no `translate_name`: the path after scheme and host, cleaned.
fn default_translation(path: &CStr) -> CString {
    let bytes = path.to_bytes();
    if bytes.is_empty() {
        return CString::default();
    }
    let after_scheme = bytes
        .windows(3)
        .position(|three| three == b"://")
        .map(|start| start + 3);
    let bare = after_scheme.map_or(bytes, |start| {
        let rest = &bytes[start..];
        &rest[rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len())..]
    });
    let is_absolute = bare.first() == Some(&b'/') || bare.is_empty();
    let mut components: Vec<&[u8]> = Vec::new();
    for component in bare.split(|byte| *byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." if components.last().is_some_and(|last| *last != b"..") => drop(components.pop()),
            b".." if is_absolute => {}
            other => components.push(other),
        }
    }
    let mut cleaned = if is_absolute { vec![b'/'] } else { Vec::new() };
    cleaned.extend_from_slice(&components.join(&b'/'));
    if cleaned.is_empty() {
        cleaned.push(b'.');
    }
    CString::new(cleaned).unwrap_or_default()
}
