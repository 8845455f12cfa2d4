//! What stands before the data of each message between two ranks: what the sender is doing, and how much follows.

use crate::{
    collective::Collective,
    communicator::{Announcement, Step},
    dtype::DType,
};

/// The head of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// What the sender is doing.
    pub(super) announcement: Announcement,
    /// Bytes that follow.
    pub(super) bytes: u64,
}

impl Header {
    /// Its size on the wire.
    pub(super) const BYTES: usize = 40;

    /// Sequence, bytes, block, root: 8 bytes each; repeats: 4; then step, collective and dtype by number. Integers are
    /// little-endian.
    pub(super) fn encode(&self) -> [u8; Self::BYTES] {
        let (kind, collective, dtype, block, root, repeats) = match self.announcement.step {
            Step::Initialise => (0, 0, 0, 0, 0, 0),
            Step::Collective { collective, dtype, block, root, repeats } => {
                (1, position(Collective::all(), collective), position(DType::ALL, dtype), block, root, repeats)
            }
            Step::Exchange => (2, 0, 0, 0, 0, 0),
            Step::Finalise => (3, 0, 0, 0, 0, 0),
        };
        let mut encoded = [0; Self::BYTES];
        let words = [self.announcement.sequence, self.bytes, block as u64, root as u64];
        encoded[..32].copy_from_slice(bytemuck::bytes_of(&words.map(u64::to_le)));
        encoded[32..36].copy_from_slice(&repeats.to_le_bytes());
        encoded[36..39].copy_from_slice(&[kind, collective, dtype]);
        encoded
    }

    /// `None` if no rank sends such a thing.
    pub(super) fn decode(encoded: &[u8; Self::BYTES]) -> Option<Self> {
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| encoded[8 * at + byte]));
        let [kind, collective, dtype, 0] = encoded[36..] else { return None };
        let step = match kind {
            0 => Step::Initialise,
            1 => Step::Collective {
                collective: Collective::all().nth(collective.into())?,
                dtype: *DType::ALL.get(usize::from(dtype))?,
                block: word(2) as usize,
                root: word(3) as usize,
                repeats: u32::from_le_bytes(std::array::from_fn(|byte| encoded[32 + byte])),
            },
            2 => Step::Exchange,
            3 => Step::Finalise,
            _ => return None,
        };
        Some(Self { announcement: Announcement { sequence: word(0), step }, bytes: word(1) })
    }
}

fn position<T: PartialEq>(all: impl IntoIterator<Item = T>, one: T) -> u8 {
    all.into_iter().position(|other| other == one).expect("all are listed") as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_header_is_read_as_it_was_written() {
        let mut steps = vec![Step::Initialise, Step::Exchange, Step::Finalise];
        for collective in Collective::all() {
            for dtype in DType::ALL {
                steps.push(Step::Collective { collective, dtype, block: 1 << 40, root: 3, repeats: 70_000 });
            }
        }
        for step in steps {
            let header = Header { announcement: Announcement { sequence: 1 << 50, step }, bytes: 1 << 45 };
            assert_eq!(Header::decode(&header.encode()), Some(header));
        }
        let mut strange =
            Header { announcement: Announcement { sequence: 1, step: Step::Exchange }, bytes: 0 }.encode();
        strange[36] = 4;
        assert_eq!(Header::decode(&strange), None);
    }
}
