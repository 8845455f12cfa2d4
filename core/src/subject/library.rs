//! A subject in this process.

use std::{error::Error, fs, mem::ManuallyDrop, path::Path};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::{
    Description, Place, SubjectError,
    abi::{self, FuseArgs, Info, Launcher, ResampleArgs, SIZES, Sizes, VoxelizeArgs, WorkspaceBytes},
    description::{Accepted, text},
    elf::inspect,
    operator::SubjectOperator,
};
use crate::{operators::Definition, registry::Registry};

/// A loaded subject. It is never unloaded: nobody knows which threads and exit handlers it left behind.
pub struct Subject {
    description: Description,
    sizes: &'static Sizes,
    pub(super) resample: Option<Entry<ResampleArgs>>,
    pub(super) fuse: Option<Entry<FuseArgs>>,
    pub(super) voxelize: Option<Entry<VoxelizeArgs>>,
}

/// The functions of one operator.
pub(super) struct Entry<Args> {
    pub(super) launch: Launcher<Args>,
    pub(super) workspace_bytes: Option<WorkspaceBytes<Args>>,
}

impl Subject {
    /// Loads the library at `path`, and fails unless it is a subject that this crate can call. `expected_hash` refuses
    /// every other file than the one with this BLAKE3.
    ///
    /// This runs the library's constructors and its `rc_subject_describe`. Call it in a process that may die.
    pub fn load(path: &Path, expected_hash: Option<&str>) -> Result<&'static Self, SubjectError> {
        let unreadable = |source| SubjectError::Unreadable { path: path.to_owned(), source };
        // The linker looks for a path without a slash elsewhere.
        let path = &std::path::absolute(path).map_err(unreadable)?;
        let hash = hash_of_library(path)?;
        if let Some(expected) = expected_hash.filter(|expected| **expected != *hash) {
            return Err(SubjectError::Replaced { path: path.clone(), expected: expected.to_owned(), found: hash });
        }
        // Never closed, whatever is wrong with it: its destructors are no more to be trusted than what they destroy.
        let library = ManuallyDrop::new(open(path)?);
        let info = describe(&library, path)?;
        let sizes = check_version(&info, path)?;
        let (resample, fuse, voxelize) =
            (entry(&library, "resample"), entry(&library, "fuse"), entry(&library, "voxelize"));
        let exported = [("resample", resample.is_some()), ("fuse", fuse.is_some()), ("voxelize", voxelize.is_some())];
        let operators: Vec<_> =
            exported.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| (*name).to_owned()).collect();
        if operators.is_empty() {
            let symbol = "rc_resample`, `rc_fuse` or `rc_voxelize".to_owned();
            return Err(SubjectError::MissingSymbol { path: path.clone(), symbol });
        }
        let description = described(&info, hash, operators)
            .map_err(|reason| SubjectError::Undescribed { path: path.clone(), reason })?;
        Ok(Box::leak(Box::new(Self { description, sizes, resample, fuse, voxelize })))
    }

    /// What it says of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The operators of `builtin` with this subject in the place of their implementations, as far as it exports them.
    pub fn registry(&'static self, builtin: &Registry) -> Registry {
        let mut registry = Registry::new();
        for operator in builtin.iter() {
            let registered = registry.register(SubjectOperator { record: operator.clone(), subject: self });
            registered.expect("their names differed before");
        }
        registry
    }

    /// The sizes of the structs that it knows.
    pub(super) fn sizes(&self) -> &Sizes {
        self.sizes
    }

    /// Whether it exports the operator of this problem.
    pub(super) fn exports(&self, definition: Definition<'_>) -> bool {
        match definition {
            Definition::Resample(..) => self.resample.is_some(),
            Definition::Fuse(..) => self.fuse.is_some(),
            Definition::Voxelize(..) => self.voxelize.is_some(),
        }
    }
}

/// The BLAKE3 of a file, which must look like a library of this machine.
fn hash_of_library(path: &Path) -> Result<String, SubjectError> {
    let unreadable = |source| SubjectError::Unreadable { path: path.to_owned(), source };
    let kind = fs::metadata(path).map_err(unreadable)?;
    if !kind.is_file() {
        let reason = if kind.is_dir() { "it is a folder" } else { "it is no regular file" }.to_owned();
        return Err(SubjectError::NotALibrary { path: path.to_owned(), reason });
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    inspect(path, &bytes)?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// Binds every symbol at once, so that a missing one is found now, and lends none to other libraries.
fn open(path: &Path) -> Result<Library, SubjectError> {
    // SAFETY: constructors of an unknown library may do anything; `Subject::load` says where it may be called.
    unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| {
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        SubjectError::Unloadable { path: path.to_owned(), reason }
    })
}

/// Has the library describe itself.
fn describe(library: &Library, path: &Path) -> Result<Info, SubjectError> {
    const SYMBOL: &str = "rc_subject_describe";
    // SAFETY: the header declares what has this name.
    let describe = unsafe { library.get::<abi::Describe>(SYMBOL) }
        .map_err(|_| SubjectError::MissingSymbol { path: path.to_owned(), symbol: SYMBOL.to_owned() })?;
    let null = std::ptr::null();
    let mut info = Info {
        size: size_of::<Info>() as u64,
        abi_version: 0,
        device: 0,
        name: null,
        version: null,
        resample_args_size: 0,
        fuse_args_size: 0,
        voxelize_args_size: 0,
        stream_size: 0,
        dtypes: 0,
        time_dtypes: 0,
        voxel_modes: 0,
        reserved: 0,
    };
    // SAFETY: the struct is the header's, and says how large it is.
    match unsafe { describe(&mut info) } {
        abi::OK => Ok(info),
        status => {
            let reason = format!("{SYMBOL} returned {}", abi::status_name(status));
            Err(SubjectError::Undescribed { path: path.to_owned(), reason })
        }
    }
}

/// What the library said, checked; the error says what is wrong with it.
fn described(info: &Info, hash: String, operators: Vec<String>) -> Result<Description, String> {
    let device = match info.device {
        abi::DEVICE_CPU => Place::Cpu,
        abi::DEVICE_CUDA => Place::Cuda,
        other => return Err(format!("`device` is {other}, which is neither RC_DEVICE_CPU nor RC_DEVICE_CUDA")),
    };
    // SAFETY: the header asks for texts that end with a zero byte and live as long as the library.
    let (name, version) = unsafe { (text("name", info.name)?, text("version", info.version)?) };
    let (abi_version, accepts) = (info.abi_version, Accepted::from_info(info));
    Ok(Description { name, version, hash, abi_version, device, operators, accepts })
}

/// The struct sizes of the subject's version, which must be what it was compiled with.
fn check_version(info: &Info, path: &Path) -> Result<&'static Sizes, SubjectError> {
    let version = info.abi_version;
    if version > abi::ABI_VERSION {
        return Err(SubjectError::TooNew { path: path.to_owned(), found: version, newest: abi::ABI_VERSION });
    }
    let sizes = (version as usize).checked_sub(1).and_then(|position| SIZES.get(position)).ok_or_else(|| {
        let reason = "`abi_version` is 0; set it to RC_SUBJECT_ABI_VERSION, as RC_DESCRIBE does".to_owned();
        SubjectError::Undescribed { path: path.to_owned(), reason }
    })?;
    for (name, found, expected) in [
        ("rc_resample_args", info.resample_args_size, sizes.resample_args),
        ("rc_fuse_args", info.fuse_args_size, sizes.fuse_args),
        ("rc_voxelize_args", info.voxelize_args_size, sizes.voxelize_args),
        ("rc_stream", info.stream_size, sizes.stream),
    ] {
        if found != expected {
            return Err(SubjectError::StructSize { path: path.to_owned(), name, found, expected, version });
        }
    }
    Ok(sizes)
}

/// The functions of one operator, if its launcher is there.
fn entry<Args>(library: &Library, operator: &str) -> Option<Entry<Args>> {
    // SAFETY: the header declares what has this name; the caller's `Args` are those of `operator`.
    let launch = unsafe { library.get::<Launcher<Args>>(format!("rc_{operator}")) }.ok()?;
    // SAFETY: as above.
    let workspace_bytes = unsafe { library.get::<WorkspaceBytes<Args>>(format!("rc_{operator}_workspace_bytes")) };
    Some(Entry { launch: *launch, workspace_bytes: workspace_bytes.ok().map(|function| *function) })
}
