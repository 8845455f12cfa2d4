//! From the bytes of a buffer to activities.
//!
//! Records are read by layouts of their beginnings that are declared here with numbers in place of enums: a newer library
//! may write values that cudarc's enums do not have, and records of other lengths. That the beginnings are those of
//! CUPTI's own declarations is checked when this is compiled.

use std::{ffi::c_char, mem::offset_of, ptr};

use cudarc::cupti::sys::{self, CUpti_ActivityKind, CUpti_CallbackDomain as Domain, CUptiResult};

use super::{
    CuptiError,
    buffers::Buffer,
    library::{Functions, owned},
};
use crate::census::KernelLaunch;

/// What happened, with the time at which it began, in nanoseconds of CUPTI's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Activity {
    pub(super) start_ns: u64,
    pub(super) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A kernel ran.
    Kernel(KernelLaunch),
    /// So many bytes were copied.
    Copy(u64),
    /// So many bytes were set.
    Memset(u64),
    /// A function of the driver or the runtime was called.
    Call(String),
}

/// A kind of record that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A kernel, without keeping kernels from running at the same time.
    Kernel,
    /// A copy.
    Copy,
    /// A copy from one GPU to another.
    PeerCopy,
    /// A memset.
    Memset,
    /// A call of the driver's API.
    Driver,
    /// A call of the runtime's API.
    Runtime,
}

impl Kind {
    /// All that are asked for.
    pub(super) const ALL: [Self; 6] =
        [Self::Kernel, Self::Copy, Self::PeerCopy, Self::Memset, Self::Driver, Self::Runtime];

    /// CUPTI's number.
    pub(super) const fn number(self) -> u32 {
        let kind = match self {
            Self::Kernel => CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
            Self::Copy => CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_MEMCPY,
            Self::PeerCopy => CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_MEMCPY2,
            Self::Memset => CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_MEMSET,
            Self::Driver => CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_DRIVER,
            Self::Runtime => CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_RUNTIME,
        };
        kind as u32
    }
}

/// The beginning of `CUpti_ActivityKernel9` (CUDA 12) and of all later ones.
#[repr(C)]
#[derive(Clone, Copy)]
struct KernelRecord {
    kind: u32,
    cache_config: u8,
    shared_memory_config: u8,
    registers: u16,
    partitioned_cache: [u32; 2],
    start: u64,
    end: u64,
    completed: u64,
    device_context_stream: [u32; 3],
    grid: [u32; 3],
    block: [u32; 3],
    static_shared: u32,
    dynamic_shared: u32,
    local_per_thread: u32,
    local_total: u32,
    correlation: u32,
    grid_id: i64,
    name: *const c_char,
}

/// The beginning of every `CUpti_ActivityMemcpy*`, also of those between GPUs.
#[repr(C)]
#[derive(Clone, Copy)]
struct CopyRecord {
    kind: u32,
    kinds_and_flags: [u8; 4],
    bytes: u64,
    start: u64,
    end: u64,
}

/// The beginning of every `CUpti_ActivityMemset*`.
#[repr(C)]
#[derive(Clone, Copy)]
struct MemsetRecord {
    kind: u32,
    value: u32,
    bytes: u64,
    start: u64,
    end: u64,
}

/// `CUpti_ActivityAPI`.
#[repr(C)]
#[derive(Clone, Copy)]
struct CallRecord {
    kind: u32,
    callback: u32,
    start: u64,
    end: u64,
}

/// Fails to compile unless `$field` of `$ours` lies where `$theirs` has it.
macro_rules! same_place {
    ($ours:ty, [$($theirs:ident),*], $($field:ident = $original:ident),*) => {
        same_place!(@each $ours, [$($theirs),*], [$(($field, $original)),*]);
    };
    (@each $ours:ty, [$($theirs:ident),*], $fields:tt) => { $(same_place!(@one $ours, $theirs, $fields);)* };
    (@one $ours:ty, $theirs:ident, [$(($field:ident, $original:ident)),*]) => {
        const _: () = {
            $(assert!(offset_of!($ours, $field) == offset_of!(sys::$theirs, $original));)*
            assert!(size_of::<$ours>() <= size_of::<sys::$theirs>());
        };
    };
}

same_place!(
    KernelRecord,
    [CUpti_ActivityKernel9, CUpti_ActivityKernel10],
    kind = kind,
    registers = registersPerThread,
    start = start,
    end = end,
    grid = gridX,
    block = blockX,
    static_shared = staticSharedMemory,
    dynamic_shared = dynamicSharedMemory,
    name = name
);
same_place!(
    CopyRecord,
    [CUpti_ActivityMemcpy5, CUpti_ActivityMemcpy6, CUpti_ActivityMemcpyPtoP4],
    kind = kind,
    bytes = bytes,
    start = start,
    end = end
);
same_place!(MemsetRecord, [CUpti_ActivityMemset4], kind = kind, bytes = bytes, start = start, end = end);
same_place!(CallRecord, [CUpti_ActivityAPI], kind = kind, callback = cbid, start = start, end = end);

/// The activities of a buffer, in its order.
pub(super) fn read(functions: &Functions, buffer: &Buffer) -> Result<Vec<Activity>, CuptiError> {
    let (start, valid_bytes) = buffer.records();
    let mut activities = Vec::new();
    let mut record: *mut u8 = ptr::null_mut();
    loop {
        // SAFETY: the buffer is whole and owned here, and `record` is null or what the last call gave.
        let status = unsafe { (functions.next_record)(start, valid_bytes, &mut record) };
        if status == CUptiResult::CUPTI_ERROR_MAX_LIMIT_REACHED as u32 {
            return Ok(activities);
        }
        if status == CUptiResult::CUPTI_ERROR_INVALID_KIND as u32 {
            return Err(CuptiError::Incomplete { what: "something".to_owned() });
        }
        functions.check(status, "reading CUPTI's records")?;
        // SAFETY: CUPTI says that a whole record lies here, within a buffer of a library whose version is known.
        activities.extend(unsafe { activity(functions, record) }?);
    }
}

/// The activity of one record; `None` if it is of a kind that was not asked for.
///
/// # Safety
/// `record` must point to a whole record of a CUPTI of a known version, and the names in it must live.
unsafe fn activity(functions: &Functions, record: *const u8) -> Result<Option<Activity>, CuptiError> {
    // SAFETY: every record begins with its kind.
    let number = unsafe { record.cast::<u32>().read_unaligned() };
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.number() == number) else { return Ok(None) };
    let (start_ns, end_ns, what) = match kind {
        Kind::Kernel => {
            // SAFETY: the kind says that the record begins so.
            let record = unsafe { record.cast::<KernelRecord>().read_unaligned() };
            // SAFETY: CUPTI keeps the names of kernels for as long as it has records of them.
            let name = unsafe { owned(record.name) }.unwrap_or_else(|| "a kernel without a name".to_owned());
            let launch = KernelLaunch {
                name,
                grid: record.grid,
                block: record.block,
                dynamic_shared_bytes: record.dynamic_shared,
                static_shared_bytes: record.static_shared,
                registers: record.registers.into(),
            };
            (record.start, record.end, What::Kernel(launch))
        }
        Kind::Copy | Kind::PeerCopy => {
            // SAFETY: the kind says that the record begins so.
            let record = unsafe { record.cast::<CopyRecord>().read_unaligned() };
            (record.start, record.end, What::Copy(record.bytes))
        }
        Kind::Memset => {
            // SAFETY: the kind says that the record begins so.
            let record = unsafe { record.cast::<MemsetRecord>().read_unaligned() };
            (record.start, record.end, What::Memset(record.bytes))
        }
        Kind::Driver | Kind::Runtime => {
            // SAFETY: the kind says that the record begins so.
            let record = unsafe { record.cast::<CallRecord>().read_unaligned() };
            let domain = if kind == Kind::Driver {
                Domain::CUPTI_CB_DOMAIN_DRIVER_API
            } else {
                Domain::CUPTI_CB_DOMAIN_RUNTIME_API
            };
            (record.start, record.end, What::Call(call_name(functions, domain, record.callback)))
        }
    };
    // CUPTI writes zeros where it has no times: the activity was not over, or its times could not be kept.
    if start_ns == 0 || end_ns == 0 {
        return Err(CuptiError::Incomplete { what: format!("{what:?}") });
    }
    Ok(Some(Activity { start_ns, what }))
}

/// The name of a function of an API.
fn call_name(functions: &Functions, domain: Domain, callback: u32) -> String {
    let mut name = ptr::null();
    // SAFETY: the pointer is valid for the call; the string is CUPTI's own and constant.
    let status = unsafe { (functions.callback_name)(domain as u32, callback, &mut name) };
    let name = if status == CUptiResult::CUPTI_SUCCESS as u32 {
        // SAFETY: as above.
        unsafe { owned(name) }
    } else {
        None
    };
    name.unwrap_or_else(|| format!("a function of number {callback}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cupti::{
        buffers::{completed, own, requested, take_completed},
        library::Status,
    };

    /// The stride at which the tests put records; larger than any of them.
    const STRIDE: usize = 512;

    unsafe extern "C" fn next_record(buffer: *mut u8, valid_bytes: usize, record: *mut *mut u8) -> Status {
        // SAFETY: the tests put records at every stride, and `record` is null or one of them.
        unsafe {
            let next = if (*record).is_null() { buffer } else { (*record).add(STRIDE) };
            if next as usize >= buffer as usize + valid_bytes {
                return CUptiResult::CUPTI_ERROR_MAX_LIMIT_REACHED as Status;
            }
            *record = next;
        }
        0
    }

    unsafe extern "C" fn callback_name(domain: u32, callback: u32, name: *mut *const c_char) -> Status {
        if (domain, callback) != (1, 243) {
            return CUptiResult::CUPTI_ERROR_INVALID_PARAMETER as Status;
        }
        // SAFETY: the caller's pointer is valid.
        unsafe { *name = c"cuMemAlloc_v2".as_ptr() };
        0
    }

    unsafe extern "C" fn unused<T>(_: T) -> Status {
        unreachable!("reading needs no other function")
    }

    unsafe extern "C" fn unused_3<A, B, C>(_: A, _: B, _: C) -> Status {
        unreachable!("reading needs no other function")
    }

    unsafe extern "C" fn unused_2<A, B>(_: A, _: B) -> Status {
        unreachable!("reading needs no other function")
    }

    const FUNCTIONS: Functions = Functions {
        register_callbacks: unused_2,
        enable: unused,
        disable: unused,
        flush_all: unused,
        next_record,
        dropped_records: unused_3,
        timestamp: unused,
        callback_name,
        result_name: unused_2,
    };

    /// What is read of records that `write` puts into a buffer at every stride.
    fn read_back(records: usize, write: impl FnOnce(*mut u8)) -> Result<Vec<Activity>, CuptiError> {
        let _owner = own();
        let (mut start, mut bytes, mut most_records) = (ptr::null_mut(), 0, 0);
        // SAFETY: valid pointers.
        unsafe { requested(&mut start, &mut bytes, &mut most_records) };
        assert!(records * STRIDE <= bytes);
        write(start);
        // SAFETY: from `requested`, and used by nobody else.
        unsafe { completed(ptr::null_mut(), 0, start, bytes, records * STRIDE) };
        let [buffer] = &take_completed()[..] else { panic!("one buffer was handed back") };
        read(&FUNCTIONS, buffer)
    }

    /// Puts the record of this number into a buffer.
    fn put<T>(start: *mut u8, number: usize, record: T) {
        assert!(size_of::<T>() <= STRIDE && align_of::<T>() <= 8);
        // SAFETY: `read_back` has checked that the buffer has room for as many strides, which are aligned to 8 bytes.
        unsafe { start.add(number * STRIDE).cast::<T>().write(record) };
    }

    /// A record of CUPTI's own type, of zeros but for what `fill` sets.
    fn zeroed<T>(fill: impl FnOnce(&mut T)) -> T {
        // SAFETY: the tests use it for plain records, in which zero is a value of every field but the kind, and they set
        // the kind.
        let mut record = unsafe { std::mem::zeroed() };
        fill(&mut record);
        record
    }

    fn kernel_record(end: u64) -> sys::CUpti_ActivityKernel10 {
        zeroed(|record: &mut sys::CUpti_ActivityKernel10| {
            record.kind = CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
            record.registersPerThread = 40;
            (record.start, record.end) = (100, end);
            (record.gridX, record.gridY, record.gridZ) = (66, 2, 1);
            (record.blockX, record.blockY, record.blockZ) = (256, 1, 1);
            (record.staticSharedMemory, record.dynamicSharedMemory) = (1024, 48);
            record.name = c"fuse_f32_f32".as_ptr();
        })
    }

    #[test]
    fn records_of_cuptis_own_types_are_read_back() {
        let copy = zeroed(|record: &mut sys::CUpti_ActivityMemcpy6| {
            record.kind = CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_MEMCPY;
            (record.bytes, record.start, record.end) = (4096, 110, 111);
        });
        let memset = zeroed(|record: &mut sys::CUpti_ActivityMemset4| {
            record.kind = CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_MEMSET;
            (record.bytes, record.start, record.end) = (512, 120, 121);
        });
        let call = zeroed(|record: &mut sys::CUpti_ActivityAPI| {
            record.kind = CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_DRIVER;
            (record.cbid, record.start, record.end) = (243, 130, 131);
        });
        let not_asked_for = zeroed(|record: &mut sys::CUpti_Activity| {
            record.kind = CUpti_ActivityKind::CUPTI_ACTIVITY_KIND_OVERHEAD;
        });
        let activities = read_back(5, |start| {
            put(start, 0, kernel_record(105));
            put(start, 1, copy);
            put(start, 2, not_asked_for);
            put(start, 3, memset);
            put(start, 4, call);
        });
        let launch = KernelLaunch {
            name: "fuse_f32_f32".to_owned(),
            grid: [66, 2, 1],
            block: [256, 1, 1],
            dynamic_shared_bytes: 48,
            static_shared_bytes: 1024,
            registers: 40,
        };
        let expected = [
            Activity { start_ns: 100, what: What::Kernel(launch) },
            Activity { start_ns: 110, what: What::Copy(4096) },
            Activity { start_ns: 120, what: What::Memset(512) },
            Activity { start_ns: 130, what: What::Call("cuMemAlloc_v2".to_owned()) },
        ];
        assert_eq!(activities.unwrap(), expected);
    }

    #[test]
    fn a_record_without_an_end_is_an_error() {
        let activities = read_back(1, |start| put(start, 0, kernel_record(0)));
        assert!(matches!(activities, Err(CuptiError::Incomplete { what }) if what.contains("fuse_f32_f32")));
    }
}
