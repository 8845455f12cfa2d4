//! The library and its functions.

use std::{
    ffi::{CStr, c_char},
    path::{Path, PathBuf},
    ptr,
    sync::OnceLock,
};

use cudarc::{
    cupti::sys::{CUpti_BuffersCallbackCompleteFunc, CUpti_BuffersCallbackRequestFunc, CUptiResult},
    driver::sys::CUcontext,
};

use super::CuptiError;
use crate::library::{CUPTI, LoadedLibrary};

/// API versions of which the records are known: 18 is CUDA 12.0, and 13.x are 130000 and more. Every activity record that
/// is read here begins the same in all of them (`record` checks that against both layouts).
const KNOWN_VERSIONS: std::ops::Range<u32> = 18..140_000;

/// A `CUptiResult` as a number: a newer library may return values that the enum does not have.
pub(super) type Status = u32;

/// CUPTI, loaded once and never unloaded.
#[derive(Debug)]
pub struct Cupti {
    path: PathBuf,
    version: u32,
    pub(super) functions: Functions,
}

/// The functions that a trace needs, with the signatures of `cupti_activity.h`, `cupti_callbacks.h` and
/// `cupti_result.h`. Enums are numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Functions {
    pub(super) register_callbacks:
        unsafe extern "C" fn(CUpti_BuffersCallbackRequestFunc, CUpti_BuffersCallbackCompleteFunc) -> Status,
    pub(super) enable: unsafe extern "C" fn(u32) -> Status,
    pub(super) disable: unsafe extern "C" fn(u32) -> Status,
    pub(super) flush_all: unsafe extern "C" fn(u32) -> Status,
    pub(super) next_record: unsafe extern "C" fn(*mut u8, usize, *mut *mut u8) -> Status,
    pub(super) dropped_records: unsafe extern "C" fn(CUcontext, u32, *mut usize) -> Status,
    pub(super) timestamp: unsafe extern "C" fn(*mut u64) -> Status,
    pub(super) callback_name: unsafe extern "C" fn(u32, u32, *mut *const c_char) -> Status,
    pub(super) result_name: unsafe extern "C" fn(Status, *mut *const c_char) -> Status,
}

impl Cupti {
    /// Finds and loads the library, the first time that this is asked.
    ///
    /// As [`crate::library::Library::load`], this runs the library's constructors.
    pub fn load() -> Result<&'static Self, CuptiError> {
        static LOADED: OnceLock<Result<Cupti, CuptiError>> = OnceLock::new();
        LOADED.get_or_init(|| Self::from_library(&CUPTI.load()?)).as_ref().map_err(Clone::clone)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `cuptiGetVersion` says.
    pub fn version(&self) -> u32 {
        self.version
    }

    fn from_library(library: &LoadedLibrary) -> Result<Self, CuptiError> {
        // SAFETY: each type is the C declaration of the function of that name, which no version from 12.0 to 13.x changed.
        // None of them is called before the version is known but `cuptiGetVersion`, which has been the same in all.
        let (get_version, functions) = unsafe {
            let get_version: unsafe extern "C" fn(*mut u32) -> Status = function(library, "cuptiGetVersion")?;
            let functions = Functions {
                register_callbacks: function(library, "cuptiActivityRegisterCallbacks")?,
                enable: function(library, "cuptiActivityEnable")?,
                disable: function(library, "cuptiActivityDisable")?,
                flush_all: function(library, "cuptiActivityFlushAll")?,
                next_record: function(library, "cuptiActivityGetNextRecord")?,
                dropped_records: function(library, "cuptiActivityGetNumDroppedRecords")?,
                timestamp: function(library, "cuptiGetTimestamp")?,
                callback_name: function(library, "cuptiGetCallbackName")?,
                result_name: function(library, "cuptiGetResultString")?,
            };
            (get_version, functions)
        };
        let mut version = 0;
        // SAFETY: the pointer is valid for the call.
        functions.check(unsafe { get_version(&mut version) }, "asking for CUPTI's version")?;
        let path = library.path.clone();
        if !KNOWN_VERSIONS.contains(&version) {
            return Err(CuptiError::UnknownVersion { path, version });
        }
        Ok(Self { path, version, functions })
    }
}

impl Functions {
    /// Turns a status that is no success into an error that says what was being done.
    pub(super) fn check(&self, status: Status, doing: &'static str) -> Result<(), CuptiError> {
        if status == CUptiResult::CUPTI_SUCCESS as u32 {
            return Ok(());
        }
        let mut name = ptr::null();
        // SAFETY: the pointer is valid for the call; the string is CUPTI's own and constant.
        let known = unsafe { (self.result_name)(status, &mut name) } == CUptiResult::CUPTI_SUCCESS as u32;
        // SAFETY: as above.
        let name = if known { unsafe { owned(name) } } else { None };
        let name = name.unwrap_or_else(|| "an error that this CUPTI has no name for".to_owned());
        Err(CuptiError::Call { doing, name, code: status })
    }
}

/// A copy of a C string; `None` for a null pointer.
///
/// # Safety
/// `text` must be null or point to a string that ends with a NUL and lives during the call.
pub(super) unsafe fn owned(text: *const c_char) -> Option<String> {
    // SAFETY: not null here; the rest is the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// The function of this name.
///
/// # Safety
/// `F` must be the type of a pointer to the function as the library's headers declare it.
unsafe fn function<F: Copy>(library: &LoadedLibrary, symbol: &str) -> Result<F, CuptiError> {
    // SAFETY: passed on to the caller. The library is never unloaded, so that the pointer may outlive the symbol.
    match unsafe { library.handle.get::<F>(symbol.as_bytes()) } {
        Ok(found) => Ok(*found),
        Err(_) => Err(CuptiError::MissingFunction { path: library.path.clone(), symbol: symbol.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_cupti_is_refused_by_name() {
        // Every machine has this one, and it has no function of CUPTI.
        // SAFETY: the constructors of libm have no preconditions.
        let handle = unsafe { libloading::Library::new("libm.so.6") }.unwrap();
        let library = LoadedLibrary { path: "libm.so.6".into(), handle: Box::leak(Box::new(handle)) };
        let error = Cupti::from_library(&library).unwrap_err();
        assert!(matches!(&error, CuptiError::MissingFunction { symbol, .. } if symbol == "cuptiGetVersion"), "{error}");
    }

    #[test]
    fn loading_gives_a_known_version_or_a_reason() {
        match Cupti::load() {
            Ok(cupti) => assert!(KNOWN_VERSIONS.contains(&cupti.version())),
            Err(error) => assert!(error.to_string().len() > 20, "{error}"),
        }
    }
}
