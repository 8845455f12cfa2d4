//! What all ranks get of each.

use std::ops::Range;

use crate::{
    collective::{Collective, Reduction, Transfer},
    communicator::{Communicator, CommunicatorError, Memory, Piece},
    dtype::DType,
};

/// Gathers on every rank the shares of all: `own` lies at this rank's place of `places`, which are those of all ranks and
/// fill `whole`.
pub(super) fn gather<C: Communicator>(
    communicator: &mut C,
    own: &[u8],
    places: &[Range<usize>],
    whole: &mut [u8],
) -> Result<(), CommunicatorError> {
    let rank = communicator.rank();
    let mut memory = communicator.allocate(whole.len())?;
    memory.write(places[rank].start, own)?;
    let others = (0..places.len()).filter(|&peer| peer != rank);
    let piece = |peer, place: &Range<usize>| Piece { peer, offset: place.start, bytes: place.len() };
    let sent: Vec<_> = others.clone().map(|peer| piece(peer, &places[rank])).collect();
    let received: Vec<_> = others.map(|peer| piece(peer, &places[peer])).collect();
    communicator.exchange(&mut memory, &sent, &received)?;
    memory.read(0, whole)
}

/// What every rank says, in the order of ranks: `own` numbers of each.
pub(super) fn all_gather<C: Communicator>(communicator: &mut C, own: &[i64]) -> Result<Vec<i64>, CommunicatorError> {
    let (rank, world) = (communicator.rank(), communicator.world());
    let mut all = vec![0; own.len() * world];
    let bytes = size_of_val(&all[..]);
    let transfer = Transfer {
        collective: Collective::AllGather,
        dtype: DType::I64,
        block: own.len(),
        root: 0,
        send_offset: rank * size_of_val(own),
        receive_offset: 0,
    };
    let mut memory = communicator.allocate(bytes)?;
    memory.write(transfer.send_offset, bytemuck::cast_slice(own))?;
    communicator.enqueue(&mut memory, &transfer, 0)?;
    communicator.wait()?;
    memory.read(0, bytemuck::cast_slice_mut(&mut all))?;
    Ok(all)
}

/// Replaces integers by their sums over all ranks: exact, whatever the order.
pub(super) fn all_sum<C: Communicator>(
    communicator: &mut C,
    dtype: DType,
    integers: &mut [u8],
) -> Result<(), CommunicatorError> {
    let transfer = Transfer {
        collective: Collective::AllReduce(Reduction::Sum),
        dtype,
        block: integers.len() / dtype.size_bytes(),
        root: 0,
        send_offset: 0,
        receive_offset: 0,
    };
    let mut memory = communicator.allocate(integers.len())?;
    memory.write(0, integers)?;
    communicator.enqueue(&mut memory, &transfer, 0)?;
    communicator.wait()?;
    memory.read(0, integers)
}
