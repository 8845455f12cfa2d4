//! Collectives as NCCL's calls.

use std::ffi::{c_int, c_void};

use cudarc::{
    driver::sys::{CUdeviceptr, CUstream},
    nccl::sys::{ncclComm_t, ncclDataType_t, ncclRedOp_t},
};

use super::library::{Functions, IN_PROGRESS, SUCCESS, Status};
use crate::{
    collective::{Collective, Reduction, Transfer},
    communicator::Piece,
    dtype::DType,
};

/// On whose behalf and on which stream something is issued.
#[derive(Clone, Copy)]
pub(super) struct Issuer<'a> {
    pub(super) functions: &'a Functions,
    pub(super) communicator: ncclComm_t,
    pub(super) stream: CUstream,
    pub(super) rank: usize,
    pub(super) world: usize,
}

const fn data_type(dtype: DType) -> u32 {
    let data_type = match dtype {
        DType::F32 => ncclDataType_t::ncclFloat32,
        DType::F16 => ncclDataType_t::ncclFloat16,
        DType::Bf16 => ncclDataType_t::ncclBfloat16,
        DType::I32 => ncclDataType_t::ncclInt32,
        DType::I64 => ncclDataType_t::ncclInt64,
    };
    data_type as u32
}

const fn operation(reduction: Reduction) -> u32 {
    let operation = match reduction {
        Reduction::Sum => ncclRedOp_t::ncclSum,
        Reduction::Prod => ncclRedOp_t::ncclProd,
        Reduction::Min => ncclRedOp_t::ncclMin,
        Reduction::Max => ncclRedOp_t::ncclMax,
        Reduction::Avg => ncclRedOp_t::ncclAvg,
    };
    operation as u32
}

impl Issuer<'_> {
    /// Issues a transfer between these addresses. It must have elements: NCCL itself drops a collective without any.
    ///
    /// # Safety
    /// Communicator and stream must live, and belong to the GPU on which both buffers lie. The buffers must hold what the
    /// collective sends and receives until the work is done; where the rank receives nothing, the address may be 0.
    pub(super) unsafe fn transfer(&self, transfer: &Transfer, send: CUdeviceptr, receive: CUdeviceptr) -> Status {
        let Self { functions, communicator, stream, rank, world } = *self;
        let Transfer { collective, dtype, block, root, send_offset: _, receive_offset: _ } = *transfer;
        let (source, destination) = (send as *const c_void, receive as *mut c_void);
        let (data, root) = (data_type(dtype), root as c_int);
        // SAFETY: the caller's promise.
        unsafe {
            match collective {
                Collective::AllReduce(how) => {
                    (functions.all_reduce)(source, destination, block, data, operation(how), communicator, stream)
                }
                Collective::AllGather => (functions.all_gather)(source, destination, block, data, communicator, stream),
                Collective::ReduceScatter(how) => {
                    (functions.reduce_scatter)(source, destination, block, data, operation(how), communicator, stream)
                }
                Collective::Broadcast => {
                    (functions.broadcast)(source, destination, block, data, root, communicator, stream)
                }
                Collective::Reduce(how) => {
                    (functions.reduce)(source, destination, block, data, operation(how), root, communicator, stream)
                }
                Collective::SendReceive => {
                    let (next, previous) = ((rank + 1) % world, (rank + world - 1) % world);
                    self.group([
                        PointToPoint { sends: true, peer: next, address: send, count: block, data },
                        PointToPoint { sends: false, peer: previous, address: receive, count: block, data },
                    ])
                }
                Collective::AllToAll => {
                    let bytes = (block * dtype.size_bytes()) as u64;
                    self.group((0..world).flat_map(|peer| {
                        let offset = peer as u64 * bytes;
                        [
                            PointToPoint { sends: true, peer, address: send + offset, count: block, data },
                            PointToPoint { sends: false, peer, address: receive + offset, count: block, data },
                        ]
                    }))
                }
            }
        }
    }

    /// Issues pieces of the memory at `base`. NCCL matches them in order, between each two ranks and from a rank to itself.
    ///
    /// # Safety
    /// As [`Issuer::transfer`], of the memory in which the pieces lie.
    pub(super) unsafe fn pieces(&self, base: CUdeviceptr, sent: &[Piece], received: &[Piece]) -> Status {
        let data = ncclDataType_t::ncclUint8 as u32;
        let point_to_point = |sends| {
            move |&Piece { peer, offset, bytes }: &Piece| PointToPoint {
                sends,
                peer,
                address: base + offset as u64,
                count: bytes,
                data,
            }
        };
        let calls = sent.iter().map(point_to_point(true)).chain(received.iter().map(point_to_point(false)));
        // SAFETY: the caller's promise.
        unsafe { self.group(calls.filter(|call| call.count > 0)) }
    }

    /// # Safety
    /// As [`Issuer::transfer`], of all these buffers.
    unsafe fn group(&self, calls: impl IntoIterator<Item = PointToPoint>) -> Status {
        let Self { functions, communicator, stream, rank: _, world: _ } = *self;
        // SAFETY: a group belongs to the thread; it is ended below, on every path.
        let mut first = unsafe { (functions.group_start)() };
        if first != SUCCESS {
            return first;
        }
        for PointToPoint { sends, peer, address, count, data } in calls {
            let peer = peer as c_int;
            // SAFETY: the caller's promise.
            let status = unsafe {
                if sends {
                    (functions.send)(address as *const c_void, count, data, peer, communicator, stream)
                } else {
                    (functions.receive)(address as *mut c_void, count, data, peer, communicator, stream)
                }
            };
            if status != SUCCESS && status != IN_PROGRESS {
                first = status;
                break;
            }
        }
        // SAFETY: begun above.
        let ended = unsafe { (functions.group_end)() };
        // The call's own error says more than the group that it spoilt.
        if first == SUCCESS { ended } else { first }
    }
}

/// One half of what goes from one rank to another.
struct PointToPoint {
    sends: bool,
    peer: usize,
    address: CUdeviceptr,
    count: usize,
    data: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of `nccl.h`, where bf16 is 9 and the maximum comes before the minimum.
    #[test]
    fn types_and_operations_have_the_numbers_of_the_header() {
        assert_eq!(DType::ALL.map(data_type), [7, 6, 9, 2, 4]);
        assert_eq!(Reduction::ALL.map(operation), [0, 1, 3, 2, 4]);
    }
}
