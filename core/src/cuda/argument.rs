//! What can be passed to a kernel.

/// A value that a kernel takes by value, with the layout of its C++ declaration.
///
/// # Safety
/// The type must be `repr(C)` or a primitive, hold no padding that matters and no reference, and be laid out as the
/// type in the kernel's declaration.
pub unsafe trait KernelArgument {}

// SAFETY: `std::uint64_t`, and every device address.
unsafe impl KernelArgument for u64 {}
