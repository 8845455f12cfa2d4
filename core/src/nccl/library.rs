//! The library and its functions.

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use cudarc::{
    driver::sys::CUstream,
    nccl::sys::{ncclComm_t, ncclConfig_t, ncclUniqueId},
};

use super::NcclError;
use crate::library::{LoadedLibrary, NCCL};

/// The oldest version that can be used: 2.14 brought `ncclCommInitRankConfig` and `ncclCommFinalize`.
const OLDEST: i32 = 21_400;

/// An `ncclResult_t` as a number: another version may return values that the enum of the bindings does not have.
pub(super) type Status = u32;

/// The call did what it was to do.
pub(super) const SUCCESS: Status = 0;
/// The call was accepted, and goes on in a thread of NCCL's own.
pub(super) const IN_PROGRESS: Status = 7;

/// NCCL, loaded once and never unloaded.
#[derive(Debug)]
pub struct NcclLibrary {
    path: PathBuf,
    version: i32,
    pub(super) functions: Functions,
}

/// `ncclSend`, with the signature of `nccl.h`. Enums are numbers.
type Send = unsafe extern "C" fn(*const c_void, usize, u32, c_int, ncclComm_t, CUstream) -> Status;
/// `ncclRecv`, likewise.
type Receive = unsafe extern "C" fn(*mut c_void, usize, u32, c_int, ncclComm_t, CUstream) -> Status;
/// `ncclAllReduce` and `ncclReduceScatter`.
type Reduce = unsafe extern "C" fn(*const c_void, *mut c_void, usize, u32, u32, ncclComm_t, CUstream) -> Status;
/// `ncclReduce`.
type ReduceTo =
    unsafe extern "C" fn(*const c_void, *mut c_void, usize, u32, u32, c_int, ncclComm_t, CUstream) -> Status;
/// `ncclAllGather`.
type Gather = unsafe extern "C" fn(*const c_void, *mut c_void, usize, u32, ncclComm_t, CUstream) -> Status;
/// `ncclBroadcast`.
type Broadcast = unsafe extern "C" fn(*const c_void, *mut c_void, usize, u32, c_int, ncclComm_t, CUstream) -> Status;

/// The functions that a communicator needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Functions {
    pub(super) get_unique_id: unsafe extern "C" fn(*mut ncclUniqueId) -> Status,
    pub(super) init_rank:
        unsafe extern "C" fn(*mut ncclComm_t, c_int, ncclUniqueId, c_int, *mut ncclConfig_t) -> Status,
    pub(super) async_error: unsafe extern "C" fn(ncclComm_t, *mut Status) -> Status,
    pub(super) finalize: unsafe extern "C" fn(ncclComm_t) -> Status,
    pub(super) destroy: unsafe extern "C" fn(ncclComm_t) -> Status,
    pub(super) abort: unsafe extern "C" fn(ncclComm_t) -> Status,
    pub(super) group_start: unsafe extern "C" fn() -> Status,
    pub(super) group_end: unsafe extern "C" fn() -> Status,
    pub(super) all_reduce: Reduce,
    pub(super) all_gather: Gather,
    pub(super) reduce_scatter: Reduce,
    pub(super) broadcast: Broadcast,
    pub(super) reduce: ReduceTo,
    pub(super) send: Send,
    pub(super) receive: Receive,
    error_string: unsafe extern "C" fn(Status) -> *const c_char,
    /// What went wrong in more words. It came with 2.13, though not with everything that calls itself NCCL.
    last_error: Option<unsafe extern "C" fn(ncclComm_t) -> *const c_char>,
}

impl NcclLibrary {
    /// Finds and loads the library, the first time that this is asked.
    ///
    /// As [`crate::library::Library::load`], this runs the library's constructors.
    pub fn load() -> Result<&'static Self, NcclError> {
        static LOADED: OnceLock<Result<NcclLibrary, NcclError>> = OnceLock::new();
        LOADED.get_or_init(|| Self::from_library(&NCCL.load()?)).as_ref().map_err(Clone::clone)
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What `ncclGetVersion` says, such as 22803 for 2.28.3.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// Its version as people say it, such as `2.28.3`.
    pub fn version_name(&self) -> String {
        dotted(self.version)
    }

    fn from_library(library: &LoadedLibrary) -> Result<Self, NcclError> {
        // SAFETY: the C declaration, which is the same in every version.
        let get_version: unsafe extern "C" fn(*mut c_int) -> Status = unsafe { function(library, "ncclGetVersion") }?;
        let mut version = 0;
        // SAFETY: the pointer is valid for the call.
        let status = unsafe { get_version(&mut version) };
        if status != SUCCESS {
            let message = name_of(status).to_owned();
            return Err(NcclError::Call { doing: "asking for NCCL's version", message });
        }
        let path = library.path.clone();
        check_version(&path, version)?;
        // SAFETY: each type is the C declaration of the function of that name, which no version from 2.14 on changed.
        let functions = unsafe { Functions::of(library) }?;
        Ok(Self { path, version, functions })
    }

    /// What NCCL says of a status that is no success, with the name of its code.
    pub(super) fn message(&self, status: Status) -> String {
        // SAFETY: it takes any number, and gives a constant string.
        let description = unsafe { owned((self.functions.error_string)(status)) };
        // SAFETY: the communicator is not used and may be null; the string is NCCL's own, whose content another thread may
        // change, though not its end.
        let last = self.functions.last_error.and_then(|last_error| unsafe { owned(last_error(std::ptr::null_mut())) });
        worded(status, description.as_deref(), last.as_deref())
    }
}

impl Functions {
    /// # Safety
    /// The library must be NCCL of a version in which the functions are declared as they are here.
    unsafe fn of(library: &LoadedLibrary) -> Result<Self, NcclError> {
        // SAFETY: passed on to the caller.
        unsafe {
            Ok(Self {
                get_unique_id: function(library, "ncclGetUniqueId")?,
                init_rank: function(library, "ncclCommInitRankConfig")?,
                async_error: function(library, "ncclCommGetAsyncError")?,
                finalize: function(library, "ncclCommFinalize")?,
                destroy: function(library, "ncclCommDestroy")?,
                abort: function(library, "ncclCommAbort")?,
                group_start: function(library, "ncclGroupStart")?,
                group_end: function(library, "ncclGroupEnd")?,
                all_reduce: function(library, "ncclAllReduce")?,
                all_gather: function(library, "ncclAllGather")?,
                reduce_scatter: function(library, "ncclReduceScatter")?,
                broadcast: function(library, "ncclBroadcast")?,
                reduce: function(library, "ncclReduce")?,
                send: function(library, "ncclSend")?,
                receive: function(library, "ncclRecv")?,
                error_string: function(library, "ncclGetErrorString")?,
                last_error: function(library, "ncclGetLastError").ok(),
            })
        }
    }
}

fn check_version(path: &Path, version: i32) -> Result<(), NcclError> {
    if version < OLDEST {
        return Err(NcclError::TooOld { path: path.to_owned(), version, oldest: OLDEST });
    }
    Ok(())
}

/// 22803 -> 2.28.3. Before 2.9 there was a digit less: 2804 -> 2.8.4.
pub(super) fn dotted(version: i32) -> String {
    let major = if version < 10_000 { 1000 } else { 10_000 };
    format!("{}.{}.{}", version / major, version % major / 100, version % 100)
}

/// The name of a code in `nccl.h` of 2.30.
fn name_of(status: Status) -> &'static str {
    match status {
        0 => "ncclSuccess",
        1 => "ncclUnhandledCudaError",
        2 => "ncclSystemError",
        3 => "ncclInternalError",
        4 => "ncclInvalidArgument",
        5 => "ncclInvalidUsage",
        6 => "ncclRemoteError",
        7 => "ncclInProgress",
        8 => "ncclTimeout",
        _ => "an error that is not known here",
    }
}

fn worded(status: Status, description: Option<&str>, last: Option<&str>) -> String {
    let mut words = format!("{} ({status})", name_of(status));
    for more in [description, last].into_iter().flatten().map(str::trim).filter(|more| !more.is_empty()) {
        words.push_str(": ");
        words.push_str(more);
    }
    words
}

/// A copy of a C string; `None` for a null pointer.
///
/// # Safety
/// `text` must be null or point to a string that ends with a NUL and lives during the call.
unsafe fn owned(text: *const c_char) -> Option<String> {
    // SAFETY: not null here; the rest is the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// The function of this name.
///
/// # Safety
/// `F` must be the type of a pointer to the function as the library's headers declare it.
unsafe fn function<F: Copy>(library: &LoadedLibrary, symbol: &str) -> Result<F, NcclError> {
    // SAFETY: passed on to the caller. The library is never unloaded, so that the pointer may outlive the symbol.
    match unsafe { library.handle.get::<F>(symbol.as_bytes()) } {
        Ok(found) => Ok(*found),
        Err(_) => Err(NcclError::MissingFunction { path: library.path.clone(), symbol: symbol.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_nccl_is_refused_by_name() {
        // Every machine has this one, and it has no function of NCCL.
        // SAFETY: the constructors of libm have no preconditions.
        let handle = unsafe { libloading::Library::new("libm.so.6") }.unwrap();
        let library = LoadedLibrary { path: "libm.so.6".into(), handle: Box::leak(Box::new(handle)) };
        let error = NcclLibrary::from_library(&library).unwrap_err();
        assert!(matches!(&error, NcclError::MissingFunction { symbol, .. } if symbol == "ncclGetVersion"), "{error}");
        // SAFETY: no function is found, and so none is called.
        let error = unsafe { Functions::of(&library) }.unwrap_err();
        assert!(matches!(&error, NcclError::MissingFunction { symbol, .. } if symbol == "ncclGetUniqueId"), "{error}");
    }

    #[test]
    fn loading_gives_a_usable_version_or_a_reason() {
        match NcclLibrary::load() {
            Ok(library) => assert!(library.version() >= OLDEST && library.version_name().starts_with("2.")),
            Err(error) => assert!(error.to_string().len() > 20, "{error}"),
        }
    }

    #[test]
    fn a_version_without_non_blocking_communicators_is_refused() {
        let path = Path::new("/opt/libnccl.so.2");
        assert_eq!(check_version(path, 21_400), Ok(()));
        let error = check_version(path, 21_304).unwrap_err();
        assert_eq!(error.to_string(), "/opt/libnccl.so.2 is NCCL 2.13.4; NCCL 2.14.0 or newer is needed");
        assert!(matches!(check_version(path, 2804), Err(NcclError::TooOld { version: 2804, .. })));
        assert_eq!(dotted(2804), "2.8.4");
        assert_eq!(dotted(22_803), "2.28.3");
    }

    #[test]
    fn a_code_from_the_future_is_no_success() {
        assert_eq!(
            worded(5, Some("invalid usage"), Some("Duplicate GPU\n")),
            "ncclInvalidUsage (5): invalid usage: Duplicate GPU"
        );
        assert_eq!(worded(8, None, Some("")), "ncclTimeout (8)");
        assert_eq!(worded(99, Some("unknown"), None), "an error that is not known here (99): unknown");
    }
}
